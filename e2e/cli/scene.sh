# What sets the scene of a page.

# instance NAMESPACE NAME [TYPE=ENGINE ...] is an ApplicationInstance without a release, which is Ready at once, in an open namespace of one cluster.
instance() {
  local namespace=$1 name=$2 can annotations=""
  shift 2
  for can in "$@"; do
    annotations+="ops.vworkspace.io/$(tr '[:upper:]' '[:lower:]' <<<"${can%%=*}"): ${can#*=}, "
  done
  kubectl create namespace "$namespace" --dry-run=client -o yaml | kubectl apply -f -
  kubectl label --overwrite namespace "$namespace" managed-by=vworkspace
  kubectl -n "$namespace" create serviceaccount vworkspace-operation-runner --dry-run=client -o yaml | kubectl apply -f -
  kubectl apply -f - <<END
apiVersion: apps.vworkspace.io/v1alpha1
kind: ApplicationInstance
metadata: {name: $name, namespace: $namespace, annotations: {$annotations}}
spec: {mode: placeholder, appRef: {catalogId: $name}}
END
}

# operation NAMESPACE NAME SPEC is an Operation; SPEC is YAML in braces.
operation() {
  kubectl apply -f - <<END
apiVersion: ops.vworkspace.io/v1alpha1
kind: Operation
metadata: {name: $2, namespace: $1}
spec: $3
END
}

# ended NAMESPACE NAME PHASE waits for the end of an Operation.
ended() { kubectl -n "$1" wait "operation/$2" "--for=jsonpath={.status.phase}=$3" --timeout=2m; }
