"""What is typed: command lines in groups, in order, with the files and requests that they need.

`{files}` in an argument is the folder with `FILES`; `{http}`, `{lan}`, `{wan}`, `{rpc}` are the agent's ports. A row is a command line as
a shell would split it, or a dictionary with `line` and `stdin`, or `request` (method, path, body) to the agent.
"""

FILES = {
    "web.json": '{"service":{"name":"web","id":"web1","port":80,"tags":["a","b"],"meta":{"k":"v"},"check":{"ttl":"1h","name":"c"}}}\n',
    "two.json": '{"service":{"name":"one"},"services":[{"name":"two"}]}\n',
    "full.hcl": """
service {
  name = "full"
  id = "full-1"
  address = "10.0.0.1"
  enable_tag_override = true
  meta { a = "b" }
  weights { passing = 3 warning = 2 }
  tagged_addresses { lan { address = "1.1.1.1" port = 5 } }
  checks = [{ name = "x" ttl = "1h" }]
}
""",
    "node.json": '{"node_name":"x"}\n',
    "scripts.hcl": 'service { name = "scripted" check { args = ["true"] interval = "10s" } }\n',
    "value": "from a file\n",
    "export.json": '[{"key":"imported/folder/","flags":3,"value":""},{"key":"imported/a","value":"AAH/"}]',
    "no-snapshot": "plain text\n",
    "empty": "",
    "valid/a.json": '{"data_dir":"/tmp/data"}\n',
    "unknown.json": '{"data_dir":"/tmp/data","zzz":1}\n',
}

WITHOUT_AGENT = [
    "kv get a", "kv put a b", "kv delete a", "kv export", """kv import '[{"key":"a"}]'""", "catalog nodes", "catalog services",
    "catalog datacenters", "services register -name=x", "services deregister -id=x", "members", "info", "join x", "leave",
    "force-leave x", "reload", "maint", "maint -enable", "event -name=x", "snapshot save {files}/z.snap", "snapshot restore {files}/value",
    "lock p true", "watch -type=key -key=x", "rtt n1", "rtt n1 n2", "monitor", "operator raft list-peers",
    "operator autopilot get-config", "operator autopilot set-config -min-quorum=1", "operator raft remove-peer -id=x", "keyring -list",
    "keyring -install pUqJrVyVRj5jsiYEkM/tFQ==",
    "services register {files}/web.json", "services deregister {files}/web.json", "kv get -http-addr=unix:///nonexistent a",
]  # fmt: skip

GROUPS: dict[str, list[str | dict]] = {
    "unknown commands": ["", "nope", "kv", "kv nope", "kv -x get", "-x kv get a", "operator", "operator raft", "help", "snapshot"],
    "flags": [
        "kv get -nope a", "kv get -http-addr", "kv get ---x a", "kv get -=x a", "kv get -recurse=xx a", "kv get -recurse=false flags/none",
        "kv put -flags=-1 flags/a x", "kv put -flags=zz flags/a x", "kv put -cas -modify-index=99999999999999999999 flags/a x",
        "catalog nodes -node-meta=a", "lock -try=xx p true", "operator autopilot set-config -cleanup-dead-servers=zz",
        "operator autopilot set-config -last-contact-threshold=zz", "operator autopilot set-config -min-quorum=-1",
        "kv put --flags 0x10 flags/a x", "kv get -detailed flags/a", "kv get -- -a", "kv get flags/a -detailed",
        "kv get -http-addr=zz://x a", "kv get -token-file=/nonexistent a", "kv get -ca-file=/nonexistent a", "kv get -http-addr= flags/a",
        "kv get -http-addr=https://127.0.0.1:{http} a", "operator raft list-peers -http-addr=zz://x", "watch -type=nodes -http-addr=zz://x",
        "kv get -token=anything flags/a", "kv get -stale flags/a",
    ],
    "kv put and get": [
        "kv put", "kv put a b c", "kv put put/a hello", "kv get put/a", "kv get -base64 put/a", "kv get -detailed put/a", "kv get /put/a",
        "kv get", "kv get ''", "kv get a b", "kv get put/none", "kv get -detailed put/none", "kv put put/empty", "kv get put/empty",
        "kv get -detailed put/empty", "kv put -base64 put/b aGVsbG8=", "kv get put/b", "kv put -base64 bad64 '!!!'",
        "kv put put/f @{files}/value", "kv get put/f", "kv put put/f @/nonexistent", {"line": "kv put put/s -", "stdin": "from stdin"},
        "kv get put/s", "kv put /put/lead x", "kv put '' x", "kv put put/neg -1", "kv get put/neg", "kv put 'put/odd b?c#d%41é' v",
        "kv get 'put/odd b?c#d%41é'", "kv get -recurse put/", "kv get -recurse -detailed put/", "kv get -recurse -base64 put/",
        "kv get -recurse put/none", "kv get -keys put/", "kv get -keys pu", "kv get -keys -separator= pu", "kv get -keys -separator=a put/",
        "kv get -keys put/none", "kv get -datacenter=zz put/a", "catalog services -datacenter=zz",
    ],
    "kv conditions": [
        "kv put cas/a 1", "kv put -cas cas/a x", "kv put -cas -modify-index=0 cas/a x", "kv put -cas -modify-index=1 cas/a x",
        "kv put -acquire cas/l x", "kv put -release cas/l x", "kv put -acquire -session=nope cas/l x",
        "kv put -acquire -session=11111111-2222-3333-4444-555555555555 cas/l x", "kv put -release -session=11111111-2222-3333-4444-555555555555 cas/a x",
        "kv delete -cas cas/a", "kv delete -cas -modify-index=1 cas/a", "kv delete -cas -recurse -modify-index=4 cas/a",
        "kv delete -modify-index=4 cas/a", "kv get cas/a",
    ],
    "kv delete": [
        "kv delete", "kv delete a b", "kv delete ''", "kv put del/a 1", "kv put del/b 1", "kv put del/c/d 1", "kv delete del/a", "kv get del/a",
        "kv delete del/none", "kv delete -recurse del/", "kv get -recurse del/", "kv delete -recurse del/none", "kv delete /del/a",
    ],
    "kv export and import": [
        "kv import", "kv import a b", "kv import '[]'", "kv import null", "kv import xx", "kv import '{}'", "kv import '[] x'",
        """kv import '[{"key":3}]'""", """kv import '[{"key":"a"'""", "kv import ''", """kv import '[{"key":"imported/x","value":"!!"}]'""",
        "kv import @{files}/export.json", "kv export imported/", "kv import @/nonexistent", "kv export a b", "kv export none/",
        {"line": "kv import -", "stdin": '[{"key":"imported/stdin","flags":1,"value":"PCZ+Cg=="}]'}, "kv get imported/stdin",
        """kv import '[{"key":"imported/<&>","value":"aGk="}]'""", "kv export imported/", "kv get -detailed imported/folder/",
    ],
    "catalog": [
        {"request": ("PUT", "/v1/catalog/register", '{"Node":"other","Address":"10.1.1.1","NodeMeta":{"rack":"7"},'
                     '"Service":{"Service":"db","Tags":["z","a"]}}')},
        {"request": ("PUT", "/v1/catalog/register", '{"Node":"bare","Address":"10.1.1.2"}')},
        "catalog datacenters", "catalog datacenters x", "catalog nodes", "catalog nodes x", "catalog nodes -service=db", "catalog nodes -service=none",
        "catalog nodes -node-meta=rack=7", "catalog nodes -node-meta=rack=8", "catalog nodes -detailed -node-meta=rack=7",
        "catalog nodes -filter='Node == other'", "catalog services", "catalog services x", "catalog services -tags", "catalog services -node=other",
        "catalog services -node=other -tags", "catalog services -node=none", "catalog services -node-meta=rack=7", "catalog services -node=bare",
        "catalog nodes -near=_agent -node-meta=rack=7",
        {"request": ("PUT", "/v1/catalog/deregister", '{"Node":"other"}')}, {"request": ("PUT", "/v1/catalog/deregister", '{"Node":"bare"}')},
        "catalog nodes",
    ],
    "services": [
        "services", "services register", "services register {files}/web.json", "services register -name=foo {files}/web.json",
        "services register -id=foo", "services register -name=foo -tagged-address=lan", "services register -name=foo -tagged-address=lan=1.1.1.1",
        "services register -name=foo -meta=k", "services register -name=foo -tag=a -tag=b -port=99 -meta=k=v -address=1.2.3.4 "
        "-tagged-address=lan=1.1.1.1:80", "services register {files}/two.json {files}/full.hcl", "services register {files}/node.json",
        "services register /nonexistent", "catalog services -tags", "watch -type=service -service=full", "watch -type=service -service=foo",
        "services deregister", "services deregister -id=nope", "services deregister -id=foo", "services deregister -id=x {files}/web.json",
        "services deregister {files}/web.json {files}/two.json", "services deregister {files}/full.hcl", "services deregister /nonexistent",
        "services register {files}/scripts.hcl",
    ],
    "keyring": [
        "keyring", "keyring -list", "keyring -list-primary", "keyring -list -local-only", "keyring -list extra", "keyring -list -use x",
        "keyring -list -list-primary", "keyring -install a -remove b", "keyring -relay-factor=9 -list", "keyring -relay-factor=-1 -list",
        "keyring -relay-factor=x -list", "keyring -use pUqJrVyVRj5jsiYEkM/tFQ== -local-only", "keyring -install AAAA",
        "keyring -install pUqJrVyVRj5jsiYEkM/tFQ==", "keyring -use pUqJrVyVRj5jsiYEkM/tFQ==", "keyring -remove pUqJrVyVRj5jsiYEkM/tFQ==",
        "keyring -install '!'", "keyring -nope",
    ],
    "members and joining": [
        "members", "members -status=left", "members -status=al.*", "members -status='('", "members -wan", "members -segment=foo",
        "join", "join 127.0.0.1:1", "join 127.0.0.1:{lan}", "join 127.0.0.1:1 127.0.0.1:{lan}", "join -wan 127.0.0.1:{wan}",
        "force-leave", "force-leave none", "force-leave a b", "force-leave -prune none", "rtt", "rtt test-node test-node", "rtt test-node none",
        "rtt none", "rtt a b c", "rtt -wan test-node", "leave x", "reload", "monitor -log-level=zz",
    ],
    "maintenance": [
        "services register -name=maintained", "maint", "maint -enable -reason=why", "maint", "maint -disable", "maint",
        "maint -enable", "maint", "maint -disable", "maint -enable -service=maintained -reason=because", "maint", "maint -disable -service=maintained",
        "maint -enable -disable", "maint -enable -service=none", "maint -service=maintained", "maint -reason=x", "maint -disable -reason=x",
        "services deregister -id=maintained",
    ],
    "events": [
        "event", "event -name=deploy", "event -name=deploy payload", "event -name=deploy a b", "event -name=deploy -tag=x",
        "event -name=deploy -node='('", "event -name=deploy -service=x -tag=y", "watch -type=event -name=nonesuch",
    ],
    "snapshots": [
        "snapshot save", "snapshot save a b", "snapshot save {files}/x.snap", "snapshot save /nonexistent/x.snap", "snapshot inspect",
        "snapshot inspect {files}/x.snap", "snapshot inspect /nonexistent", "snapshot inspect {files}/no-snapshot", "snapshot inspect {files}/empty",
        "snapshot inspect a b", "snapshot restore", "snapshot restore {files}/x.snap", "snapshot restore /nonexistent",
        "snapshot restore {files}/no-snapshot", "snapshot restore a b", "snapshot save -stale {files}/y.snap",
    ],
    "lock": [
        "lock", "lock p", "lock locks/a true", "lock locks/a echo hi there", "lock locks/a 'echo $CONSUL_LOCK_HELD; exit 7'",
        "lock -child-exit-code locks/a 'exit 7'", "lock -child-exit-code locks/a sh -c 'exit 7'", "lock -shell=false locks/a echo hi",
        "lock -shell=false locks/a nonexistentcmd", "lock -shell=false -child-exit-code locks/a nonexistentcmd", "lock -verbose locks/a true",
        "lock -verbose -n=2 locks/s true", "lock -n=2 locks/s echo x", "lock -n=0 p true", "lock -n=-1 p true", "lock -try=-1s p true",
        "lock -timeout=-1s p true", "lock -try=1s -timeout=1s locks/a true", "lock -monitor-retry=-1 p true", "lock -name=foo locks/a true",
        "lock /locks/b true", "lock -child-exit-code locks/a 'kill -TERM $$'", {"line": "lock -pass-stdin locks/a cat", "stdin": "through"},
        {"line": "lock locks/a cat", "stdin": "not through"}, {"request": ("PUT", "/v1/kv/conflict/.lock", "x")}, "lock conflict true",
        "lock -n=2 conflict true", "kv get -recurse locks/",
    ],
    "watch": [
        "watch", "watch -type=zzz", "watch -type=connect_roots", "watch -type=key", "watch -type=key -key=watched/none", "kv put watched/a 1",
        "watch -type=key -key=watched/a", "watch -type=key -key=x -prefix=y", "watch -type=services -tag=x", "watch -type=key -key=x -state=y",
        "watch -type=keyprefix", "watch -type=keyprefix -prefix=watched/", "watch -type=keyprefix -prefix=watched/none",
        "watch -type=service", "watch -type=service -service=none", "watch -type=service -service=none -tag=a -tag=b",
        "watch -type=service -service=none -passingonly=zz", "watch -type=service -service=x -passingonly", "watch -type=checks -service=none",
        "watch -type=checks -service=none -state=any", "watch -type=nodes false", "watch -type=nodes 'exit 3'",
        "watch -type=nodes -shell=false nonexistentcmd", "watch -type=key -key=watched/a -shell=false nonexistentcmd",
        """watch -type=key -key=watched/a 'cat; test -n "$CONSUL_INDEX"; exit 4'""", "watch -type=checks -state=critical",
        "watch -type=key -key=watched/a -token=abc", "watch -type=key -key=watched/a -stale",
    ],
    "operator": [
        "operator raft list-peers", "operator raft remove-peer", "operator raft remove-peer -id=nope", "operator raft remove-peer -address=1.2.3.4:5",
        "operator raft remove-peer -address=1.2.3.4:5 -id=nope", "operator autopilot get-config", "operator autopilot set-config",
        "operator autopilot set-config -cleanup-dead-servers=false -max-trailing-logs=500 -last-contact-threshold=300ms "
        "-server-stabilization-time=11s -min-quorum=3", "operator autopilot get-config",
    ],
    "validate": [
        "validate", "validate {files}/valid", "validate -quiet {files}/valid", "validate -config-format=yaml {files}/valid",
    ],
    "help": ["kv put -h", "kv get -help x", "kv get x --help", "kv -h", "-h", "--help", "operator raft -h", "version -format=xx", "agent -h", "lock -h"],
}  # fmt: skip

DIFFERENCES = {
    "kv put -base64 bad64 '!!!'": "Consul complains and yet overwrites the value with what it could decode; Muster writes nothing and exits with 1",
    "services register {files}/scripts.hcl": "Consul's command line loses the arguments of script checks on the way; Muster sends them",
}
"""Lines on which Muster differs on purpose, with the reason. The test asks that they do differ."""
