package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/jwtbundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

type svidLine struct {
	ID     string    `json:"id"`
	Hint   string    `json:"hint,omitempty"`
	Serial string    `json:"serial,omitempty"`
	Expiry time.Time `json:"expiry"`
	Roots  int       `json:"roots,omitempty"`
	Token  string    `json:"token,omitempty"`
}

// workload runs one Workload API operation with go-spiffe and prints its result; every SVID it prints was verified.
func workload(args []string) error {
	flags := flag.NewFlagSet("workload", flag.ContinueOnError)
	addr := flags.String("addr", "", "Workload API address")
	op := flags.String("op", "x509", "x509, jwt, validate, verify, watch, bundles")
	audience := flags.String("audience", "", "audience of a JWT-SVID")
	token := flags.String("token", "", "token to validate")
	until := flags.String("until", "", "SPIFFE ID to wait for while watching")
	timeout := flags.Duration("timeout", 20*time.Second, "time limit")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	client, err := workloadapi.New(ctx, workloadapi.WithAddr(*addr))
	if err != nil {
		return err
	}
	defer client.Close()
	out := json.NewEncoder(os.Stdout)
	switch *op {
	case "x509":
		return fetchX509(ctx, client, out)
	case "jwt":
		return fetchJWT(ctx, client, out, *audience)
	case "validate":
		svid, err := client.ValidateJWTSVID(ctx, *token, *audience)
		if err != nil {
			return err
		}
		return out.Encode(svidLine{ID: svid.ID.String(), Expiry: svid.Expiry})
	case "verify":
		bundles, err := client.FetchJWTBundles(ctx)
		if err != nil {
			return err
		}
		svid, err := jwtsvid.ParseAndValidate(*token, bundles, []string{*audience})
		if err != nil {
			return err
		}
		return out.Encode(svidLine{ID: svid.ID.String(), Expiry: svid.Expiry})
	case "watch":
		watcher := &watcher{out: out, until: *until, done: cancel}
		err := client.WatchX509Context(ctx, watcher)
		if watcher.seen {
			return nil
		}
		return err
	case "bundles":
		return fetchBundles(ctx, client, out)
	}
	return fmt.Errorf("unknown operation %q", *op)
}

func fetchX509(ctx context.Context, client *workloadapi.Client, out *json.Encoder) error {
	x509Context, err := client.FetchX509Context(ctx)
	if err != nil {
		return err
	}
	return printX509(x509Context, out)
}

func printX509(x509Context *workloadapi.X509Context, out *json.Encoder) error {
	for _, svid := range x509Context.SVIDs {
		if _, _, err := x509svid.Verify(svid.Certificates, x509Context.Bundles); err != nil {
			return err
		}
		bundle, err := x509Context.Bundles.GetX509BundleForTrustDomain(svid.ID.TrustDomain())
		if err != nil {
			return err
		}
		leaf := svid.Certificates[0]
		if err := out.Encode(svidLine{
			ID: svid.ID.String(), Hint: svid.Hint, Serial: leaf.SerialNumber.String(),
			Expiry: leaf.NotAfter, Roots: len(bundle.X509Authorities()),
		}); err != nil {
			return err
		}
	}
	return nil
}

func fetchJWT(ctx context.Context, client *workloadapi.Client, out *json.Encoder, audience string) error {
	svids, err := client.FetchJWTSVIDs(ctx, jwtsvid.Params{Audience: audience})
	if err != nil {
		return err
	}
	bundles, err := client.FetchJWTBundles(ctx)
	if err != nil {
		return err
	}
	for _, svid := range svids {
		if _, err := jwtsvid.ParseAndValidate(svid.Marshal(), bundles, []string{audience}); err != nil {
			return err
		}
		if err := out.Encode(svidLine{ID: svid.ID.String(), Hint: svid.Hint, Expiry: svid.Expiry, Token: svid.Marshal()}); err != nil {
			return err
		}
	}
	return nil
}

func fetchBundles(ctx context.Context, client *workloadapi.Client, out *json.Encoder) error {
	x509Bundles, err := client.FetchX509Bundles(ctx)
	if err != nil {
		return err
	}
	jwtBundles, err := client.FetchJWTBundles(ctx)
	if err != nil {
		return err
	}
	domains := map[string][2]int{}
	for _, bundle := range x509Bundles.Bundles() {
		domains[bundle.TrustDomain().Name()] = [2]int{len(bundle.X509Authorities()), keys(jwtBundles, bundle.TrustDomain())}
	}
	return out.Encode(domains)
}

func keys(set *jwtbundle.Set, domain spiffeid.TrustDomain) int {
	bundle, ok := set.Get(domain)
	if !ok {
		return 0
	}
	return len(bundle.JWTAuthorities())
}

type watcher struct {
	out   *json.Encoder
	until string
	seen  bool
	done  context.CancelFunc
}

func (w *watcher) OnX509ContextUpdate(x509Context *workloadapi.X509Context) {
	if err := printX509(x509Context, w.out); err != nil {
		fail(err)
	}
	for _, svid := range x509Context.SVIDs {
		if svid.ID.String() == w.until {
			w.seen = true
			w.done()
		}
	}
}

func (w *watcher) OnX509ContextWatchError(err error) {
	if !w.seen {
		fmt.Fprintln(os.Stderr, err)
	}
}
