// node openid_provider.mjs FOLDER: an OpenID provider of FOLDER's packages. The first line of standard input is
// JSON (client_id, client_secret, redirect_uris); the first of standard output is its issuer. It ends with its input.
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const packages = join(process.argv[2], "node_modules");
const { Provider } = await import(pathToFileURL(join(packages, "oidc-provider/lib/index.js")));
const { exportJWK, generateKeyPair } = await import(pathToFileURL(join(packages, "jose/dist/webapi/index.js")));

const input = createInterface({ input: process.stdin });
const client = JSON.parse((await input[Symbol.asyncIterator]().next()).value);
const keys = [];
for (const alg of ["RS256", "PS256", "ES256", "EdDSA"]) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  keys.push({ ...(await exportJWK(privateKey)), alg, use: "sig", kid: alg });
}
const server = createServer().listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [client],
    jwks: { keys },
    pkce: { required: () => true },
    enabledJWA: { idTokenSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
    claims: { openid: ["sub"], profile: ["preferred_username", "given_name", "groups"], email: ["email"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, given_name: "Ana", groups: ["rad"], email: `${id}@x.example` }),
    }),
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
