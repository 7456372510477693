package main

import (
	"bufio"
	"encoding/json"
	"io"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

type idLine struct {
	ID     string `json:"id"`
	Domain string `json:"domain"`
	Error  string `json:"error"`
}

// ids parses each JSON string as a SPIFFE ID and as a trust domain, and prints what go-spiffe makes of it.
func ids(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<24)
	enc := json.NewEncoder(out)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			return err
		}
		var line idLine
		if id, err := spiffeid.FromString(text); err != nil {
			line.Error = err.Error()
		} else {
			line.ID = id.String()
		}
		if domain, err := spiffeid.TrustDomainFromString(text); err == nil {
			line.Domain = domain.Name()
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return lines.Err()
}
