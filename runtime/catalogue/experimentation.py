"""What is tried out: experiments and feature flags."""

from runtime.declaration import declare

EXPERIMENT = declare(
    "Experiment",
    {
        "name": "string!",
        "slug": "string##",
        "description": "text",
        "hypothesis": "text",
        "targetAudience": "string",
        "metrics": "json",
        "primaryMetric": "string",
        "winner": "string",
        "tags": "string[]",
        "startAt": "datetime",
        "endAt": "datetime",
        "trafficAllocation": "number",
        "confidence": "number",
        "sampleSize": "number",
        "conversions": "number",
        "variants": "json",
        "results": "json",
        "type": "ABTest | Multivariate | FeatureFlag | MLExperiment | PromptExperiment",
        "status": "Draft | Started | Running | Paused | Stopped | Concluded | Completed | Archived = Draft",
        "organization": "-> Organization",
        "owner": "-> Contact",
        "start": "Started",
        "run": "Ran",
        "conclude": "Concluded",
        "pause": "Paused",
        "stop": "Stopped",
    },
    transitions={
        "status": [
            "create -> Draft",
            "Draft -start-> Started -> Running",
            "Started | Paused -run-> Running",
            "Started | Running -pause-> Paused -> Running",
            "Running -conclude-> Concluded -> Completed -> Archived",
            "Paused -stop-> Stopped -> Archived",
        ]
    },
    inputs={"stop": {"reason": "text"}, "pause": {"reason": "text"}},
    effects={"start": {"startAt": "now()"}, "conclude": {"endAt": "now()"}, "stop": {"endAt": "now()"}},
)

FEATURE_FLAG = declare(
    "FeatureFlag",
    {
        "key": "string!##",
        "name": "string!",
        "description": "text",
        "defaultValue": "json",
        "variants": "json",
        "targetingRules": "json",
        "rolloutPercentage": "number",
        "evaluations": "number",
        "lastEvaluatedAt": "datetime",
        "type": "Boolean | String | Number | JSON",
        "status": "Draft | Active | Enabled | Disabled | Paused | RolledOut | Archived = Draft",
        "organization": "-> Organization",
        "experiment": "-> Experiment",
        "rollout": "RolledOut",
        "enable": "Enabled",
        "disable": "Disabled",
    },
    transitions={
        "status": [
            "create -> Draft",
            "Draft -> Active -enable-> Enabled -rollout-> RolledOut -> Archived",
            "Enabled -disable-> Disabled -> Archived | Paused",
            "Paused -enable-> Enabled",
        ]
    },
    inputs={"rollout": {"percentage": "number"}, "disable": {"reason": "text"}},
    effects={"rollout": {"rolloutPercentage": "input(percentage)"}},
)

NOUNS = (EXPERIMENT, FEATURE_FLAG)
