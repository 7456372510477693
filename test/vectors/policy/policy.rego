# A policy for tests: what the data says of a method, and what requests and callers say beside it.
package spire

result := {
	"allow": allow,
	"allow_if_admin": listed("allow_admin"),
	"allow_if_local": allow_if_local,
	"allow_if_downstream": listed("allow_downstream"),
	"allow_if_agent": listed("allow_agent"),
}

default allow := false

allow if listed("allow_any")

# A named caller may count entries, whoever it is.
allow if {
	input.caller == "spiffe://example.org/counter"
	endswith(input.full_method, "/CountEntries")
}

default allow_if_local := false

allow_if_local if {
	listed("allow_local")
	not forbidden
}

# Nobody creates entries below /forbidden.
forbidden if {
	some entry in input.req.entries
	startswith(entry.spiffe_id.path, "/forbidden/")
}

# Programs of a test folder may not use the local socket.
forbidden if contains(input.caller_file_path, "/untrusted/")

# Asks for a function that only the machine around the policy can compute.
forbidden if sprintf("%s!", [input.full_method]) == "/never!"

listed(flag) if {
	some api in data.apis
	api.full_method == input.full_method
	api[flag]
} else := false
