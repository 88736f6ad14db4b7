
# What `dagster asset materialize` needs to be typed as it is: it reads neither workspace.yaml nor pyproject.toml.
# Set for that command alone, since `dagster dev -w workspace.yaml` refuses two sources of definitions.
export DAGSTER_HOME="${DAGSTER_HOME:-@HOME@/.dagster}"
dagster() {
    if [ "${1:-}" = asset ]; then
        DAGSTER_MODULE_NAME="${DAGSTER_MODULE_NAME:-anipop_pipeline.definitions}" command dagster "$@"
    else
        command dagster "$@"
    fi
}
