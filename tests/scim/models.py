"""What scim2-models makes of PATCHes and filters: reads cases, a JSON object a line, and writes a line for each."""

import json
import sys

from scim2_models import EnterpriseUser, PatchOp, ScimFilter, User

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
Model = User[EnterpriseUser]


def patched(resource, operations):
    user = Model.model_validate(resource)
    body = {"schemas": [PATCH_OP], "Operations": operations}
    PatchOp[Model].model_validate(body).patch(user)
    return json.loads(user.model_dump_json(by_alias=True, exclude_none=True))


def answer(case):
    try:
        if "filter" in case:
            user = Model.model_validate(case["resource"])
            return {"matches": ScimFilter[Model](case["filter"]).match(user)}
        return {"resource": patched(case["resource"], case["operations"])}
    except Exception as error:  # Whatever it is, it is refused.
        return {"refused": f"{type(error).__name__}: {error}"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))))
