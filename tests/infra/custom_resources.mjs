// node custom_resources.mjs FOLDER: an array of manifests as JSON in, a list of what is wrong with each out.
// The validators of @kubernetes-models in FOLDER know every field but refuse no unknown one; which fields a
// validator never looked at is seen by a proxy around the manifest.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const PACKAGES = {
  "cert-manager.io": "cert-manager",
  "external-secrets.io": "external-secrets",
  "gateway.networking.k8s.io": "gateway-api",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
};
const folder = join(process.argv[2], "node_modules", "@kubernetes-models");

async function validatorOf({ apiVersion, kind }) {
  const model = join(folder, PACKAGES[apiVersion.split("/")[0]] ?? "", apiVersion, `${kind}.js`);
  if (!existsSync(model)) return null;
  const schema = /"\.\.\/\.\.\/(_schemas\/\w+\.js)"/.exec(readFileSync(model, "utf8"))[1];
  return (await import(pathToFileURL(join(model, "../../..", schema)))).validate;
}

function watched(value, path, looks) {
  if (value === null || typeof value !== "object") return value;
  const seen = new Set();
  looks.push({ value, path, seen });
  const children = new Map();
  return new Proxy(value, {
    get(target, key) {
      seen.add(key);
      if (!Object.hasOwn(target, key)) return target[key];
      if (!children.has(key)) children.set(key, watched(target[key], `${path}/${String(key)}`, looks));
      return children.get(key);
    },
    ownKeys(target) {
      const keys = Reflect.ownKeys(target);
      keys.forEach((key) => seen.add(key));
      return keys;
    },
  });
}

async function problemsOf(manifest) {
  const validate = await validatorOf(manifest);
  if (validate === null) return [`no schema for ${manifest.apiVersion} ${manifest.kind}`];
  const looks = [];
  const valid = validate(watched(manifest, "", looks));
  const problems = valid ? [] : validate.errors.map((e) => `${e.instancePath}: ${e.keyword} ${JSON.stringify(e.params)}`);
  for (const { value, path, seen } of looks) {
    // Nothing looked at within: free form.
    if (Array.isArray(value) || seen.size === 0) continue;
    for (const key of Object.keys(value)) if (!seen.has(key)) problems.push(`${path}/${key}: unknown field`);
  }
  return problems;
}

const manifests = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(await Promise.all(manifests.map(problemsOf))));
