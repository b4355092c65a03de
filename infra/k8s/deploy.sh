#!/bin/sh
# deploy.sh OVERLAY: puts an overlay onto the cluster that kubectl points to, in the order of an upgrade: what services lean
# on, the migration, then the services. Repeating it is safe. KUBECTL names another program (with its context).
set -eu
overlay=${1:?usage: deploy.sh infra/k8s/overlays/dev}
kubectl=${KUBECTL:-kubectl}
namespace=dicom

# PostgreSQL holds names in clear: what its volumes are encrypted by, as far as the cluster tells.
if command -v python3 >/dev/null; then
    python3 "$(dirname "$0")/storage_classes.py" "$overlay" || true
fi

# A job's template cannot be changed, only made anew.
if $kubectl get namespace "$namespace" >/dev/null 2>&1; then
    $kubectl --namespace "$namespace" delete job migrate --ignore-not-found --wait
fi
# On the server's side: dashboards are larger than what the client's way may carry.
$kubectl apply --server-side --kustomize "$overlay" --selector 'dicom/tier!=service'
$kubectl --namespace "$namespace" wait --for=condition=complete --timeout=30m job/migrate
$kubectl apply --server-side --kustomize "$overlay"
for service in auth ingest dimse processor results portal; do
    $kubectl --namespace "$namespace" rollout status --timeout=15m "deployment/$service"
done
