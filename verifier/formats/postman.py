"""An OpenAPI document as a Postman collection (format 2.1.0). Pure; knows nothing of packs.

Bodies are made from the schemas: what is required, and every property that a variable is named like.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_METHODS = ("get", "put", "post", "delete", "patch")
_ACCESS = {"clientId": "", "clientSecret": "", "token": ""}
_FRESH = {"Idempotency-Key": "{{$guid}}", "idempotency_key": "{{$guid}}"}  # made anew for each sending
_REMEMBER = 'pm.collectionVariables.set("token", pm.response.json().access_token);'

Json = Mapping[str, Any]


def collection(document: Json, base_url: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The collection: a request for a token, then a folder a tag with a request an operation.

    Args:
        document: OpenAPI 3.1 with the OAuth client credentials flow.
        base_url: where the service is, the collection variable `baseUrl`.
        variables: further collection variables with their values; a property or parameter of the same name is
            sent with that variable.
    """
    info = document["info"]
    folders: dict[str, list[dict[str, Any]]] = {}
    for path, method, operation in _operations(document):
        tag = operation.get("tags", ["other"])[0]
        folders.setdefault(tag, []).append(_request(document, path, method, operation, variables))
    values = {"baseUrl": base_url} | _ACCESS | dict(variables)
    return {
        "info": {
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, info["title"])),
            "name": info["title"],
            "description": f"{info.get('description', '')}\n\nVersion {info['version']}".strip(),
            "schema": FORMAT,
        },
        "auth": _auth("bearer", {"token": "{{token}}"}),
        "variable": [{"key": name, "value": value, "type": "string"} for name, value in values.items()],
        "item": [_token_request(document), *({"name": tag, "item": items} for tag, items in folders.items())],
    }


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation, the parameters of the path among the operation's."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                parameters = [*item.get("parameters", ()), *item[method].get("parameters", ())]
                yield path, method, {**item[method], "parameters": parameters}


def _token_request(document: Json) -> dict[str, Any]:
    """Client credentials by basic authentication (RFC 6749 sections 2.3.1 and 4.4); keeps the token."""
    schemes = document["components"]["securitySchemes"].values()
    flow = next(s["flows"]["clientCredentials"] for s in schemes if s["type"] == "oauth2")
    return {
        "name": "Get a token",
        "event": [{"listen": "test", "script": {"type": "text/javascript", "exec": [_REMEMBER]}}],
        "request": {
            "method": "POST",
            "auth": _auth("basic", {"username": "{{clientId}}", "password": "{{clientSecret}}"}),
            "header": [],
            "body": {
                "mode": "urlencoded",
                "urlencoded": [{"key": "grant_type", "value": "client_credentials", "type": "text"}],
            },
            "url": _url(flow["tokenUrl"], []),
        },
        "response": [],
    }


def _request(
    document: Json, path: str, method: str, operation: Json, variables: Mapping[str, str]
) -> dict[str, Any]:
    parameters = operation["parameters"]
    request: dict[str, Any] = {
        "method": method.upper(),
        "header": [_header(parameter) for parameter in parameters if parameter["in"] == "header"],
        "url": _url(path, [_query(p, variables) for p in parameters if p["in"] == "query"]),
        "description": operation["responses"].get("200", {}).get("description", ""),
    }
    if not operation.get("security"):
        request["auth"] = {"type": "noauth"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        sample = _sample(document, body["schema"], variables)
        request["header"].insert(0, {"key": "Content-Type", "value": "application/json"})
        request["body"] = {
            "mode": "raw",
            "raw": json.dumps(sample, indent=2),
            "options": {"raw": {"language": "json"}},
        }
    return {"name": operation.get("summary", path).rstrip("."), "request": request, "response": []}


def _url(path: str, query: list[dict[str, Any]]) -> dict[str, Any]:
    """`{name}` in a path becomes the variable of that name."""
    parts = [part.replace("{", "{{").replace("}", "}}") for part in path.strip("/").split("/")]
    sent = "&".join(f"{item['key']}={item['value']}" for item in query if not item["disabled"])
    raw = "/".join(("{{baseUrl}}", *parts)) + (f"?{sent}" if sent else "")
    return {"raw": raw, "host": ["{{baseUrl}}"], "path": parts} | ({"query": query} if query else {})


def _header(parameter: Json) -> dict[str, Any]:
    name = parameter["name"]
    return {"key": name, "value": _FRESH.get(name, ""), "disabled": not parameter.get("required", False)}


def _query(parameter: Json, variables: Mapping[str, str]) -> dict[str, Any]:
    name = parameter["name"]
    return {
        "key": name,
        "value": f"{{{{{name}}}}}" if name in variables else "",
        "description": parameter.get("description", ""),
        "disabled": not parameter.get("required", False) and name not in variables,
    }


def _sample(document: Json, schema: Json, variables: Mapping[str, str]) -> Any:
    """A value of this schema, as small as it may be, with the variables in it."""
    if "$ref" in schema:
        return _sample(document, _resolve(document, schema["$ref"]), variables)
    if "anyOf" in schema:
        return _sample(document, schema["anyOf"][0], variables)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        return [_sample(document, schema["items"], variables)]
    if kind != "object":
        return schema.get("default", "" if kind == "string" else 0)
    value: dict[str, Any] = {}
    for name, its in schema.get("properties", {}).items():
        if name in variables:
            value[name] = f"{{{{{name}}}}}"
        elif name in _FRESH:
            value[name] = _FRESH[name]
        elif name in schema.get("required", ()):
            value[name] = _sample(document, its, variables)
    return value


def _resolve(document: Json, reference: str) -> Any:
    """What a reference within the document points to (RFC 6901)."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def _auth(kind: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": kind,
        kind: [{"key": key, "value": value, "type": "string"} for key, value in values.items()],
    }
