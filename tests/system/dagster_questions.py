"""What Dagster's UI asks its server in GraphQL."""

BACKFILL = """
mutation ($keys: [String!]!) {
  launchPartitionBackfill(
    backfillParams: {partitionNames: $keys, assetSelection: [{path: ["tmdb_responses"]}]}
  ) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } }
}
"""

MATERIALIZE = """
mutation ($key: String!) {
  launchPipelineExecution(
    executionParams: {
      selector: {
        repositoryLocationName: "tmdb_assets.definitions"
        repositoryName: "__repository__"
        pipelineName: "__ASSET_JOB"
        assetSelection: [{path: ["tmdb_responses"]}]
      }
      mode: "default"
      executionMetadata: {tags: [{key: "dagster/partition", value: $key}]}
    }
  ) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""

RUNS = """
{ runsOrError(limit: 100) { ... on Runs { results {
  runId status startTime endTime tags { key value }
} } } }
"""

BACKFILL_OF_JOB = """
mutation ($keys: [String!]!) {
  launchPartitionBackfill(
    backfillParams: {
      selector: {
        partitionSetName: "tmdb_download_partition_set"
        repositorySelector: {
          repositoryLocationName: "tmdb_assets.definitions", repositoryName: "__repository__"
        }
      }
      partitionNames: $keys
    }
  ) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } }
}
"""

EVALUATE_SCHEDULE = """
mutation ($at: Float!) {
  scheduleDryRun(
    selectorData: {
      repositoryLocationName: "tmdb_assets.definitions"
      repositoryName: "__repository__"
      scheduleName: "unfinished_batches"
    }
    timestamp: $at
  ) {
    __typename
    ... on DryRunInstigationTick {
      evaluationResult {
        runRequests { runConfigYaml jobName tags { key value } }
        skipReason
        error { message }
      }
    }
  }
}
"""

LAUNCH_ALL = """
mutation ($all: [ExecutionParams!]!) {
  launchMultipleRuns(executionParamsList: $all) {
    __typename
    ... on LaunchMultipleRunsResult {
      launchMultipleRunsResult { __typename ... on LaunchRunSuccess { run { runId } } }
    }
  }
}
"""

RE_EXECUTE = """
mutation ($id: String!) {
  launchRunReexecution(reexecutionParams: {parentRunId: $id, strategy: FROM_FAILURE}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""

TERMINATE = """
mutation ($ids: [String!]!) {
  terminateRuns(runIds: $ids, terminatePolicy: SAFE_TERMINATE) {
    ... on TerminateRunsResult { terminateRunResults {
      __typename ... on TerminateRunFailure { message } ... on PythonError { message }
    } }
  }
}
"""

EVENTS = """
query ($id: ID!) { logsForRun(runId: $id, limit: 1000) { ... on EventConnection { events {
  __typename ... on MessageEvent { message level timestamp eventType }
} } } }
"""

LATEST = """
query ($key: String!) { assetNodeOrError(assetKey: {path: ["tmdb_responses"]}) {
  ... on AssetNode { latestMaterializationByPartition(partitions: [$key]) {
    runId
    metadataEntries {
      __typename label
      ... on IntMetadataEntry { intValue }
      ... on FloatMetadataEntry { floatValue }
    }
  } }
} }
"""

CHECKS = """
query ($asset: String!) { assetNodeOrError(assetKey: {path: [$asset]}) { ... on AssetNode {
  assetChecksOrError { ... on AssetChecks { checks {
    name
    executionForLatestMaterialization { runId status evaluation {
      severity partition
      metadataEntries { label ... on IntMetadataEntry { intValue }
        ... on TableMetadataEntry { table { records } } }
    } }
  } } }
} } }
"""

EXECUTIONS = """
query ($asset: String!, $check: String!) {
  assetCheckExecutions(assetKey: {path: [$asset]}, checkName: $check, limit: 100) { runId status }
}
"""

SENSOR = """
query ($name: String!) { sensorOrError(sensorSelector: {
  repositoryLocationName: "tmdb_assets.definitions"
  repositoryName: "__repository__"
  sensorName: $name
}) { ... on Sensor { id sensorState {
  id status ticks(limit: 100) { timestamp endTimestamp status skipReason runKeys error { message } }
} } ... on PythonError { message } } }
"""

START_SENSOR = """
mutation ($name: String!) { startSensor(sensorSelector: {
  repositoryLocationName: "tmdb_assets.definitions"
  repositoryName: "__repository__"
  sensorName: $name
}) { __typename } }
"""

STOP_SENSOR = "mutation ($id: String!) { stopSensor(id: $id) { __typename } }"

PARTITIONS = """
{ assetNodeOrError(assetKey: {path: ["tmdb_responses"]}) { ... on AssetNode { partitionKeys } } }
"""

LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries {
  loadStatus locationOrLoadError { __typename ... on PythonError { message } }
} } } }
"""

FAILURE = """
query ($id: ID!) { logsForRun(runId: $id, limit: 1000) { ... on EventConnection { events {
  ... on ExecutionStepFailureEvent { failureMetadata { description } error { message } }
} } } }
"""
