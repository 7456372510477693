package main

import (
	"context"
	"flag"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/exp/proto/spiffe/broker"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// brokerPeer acts as a broker: it gets its own SVID from the Workload API, connects to the broker endpoint with it, and prints one line
// for each answer about each workload that it is told of, without what differs from run to run.
type brokerPeer struct {
	ctx    context.Context
	conn   *grpc.ClientConn
	client broker.APIClient
	// Whether the reasons that travel with a status are printed, too.
	reasons bool
}

func brokerMain(args []string) error {
	flags := flag.NewFlagSet("broker", flag.ContinueOnError)
	addr := flags.String("addr", "", "Workload API address")
	target := flags.String("broker", "", "gRPC target of the broker endpoint")
	reasons := flags.Bool("reasons", false, "print the reasons of refusals")
	ask := flags.String("ask", "", "what to ask: workload, texts, objects, refusals, reflection, follow")
	timeout := flags.Duration("timeout", 30*time.Second, "time limit")
	var objects objectFlags
	flags.Var(&objects, "object", "plural,group,namespace,name,uid of an object; may be repeated")
	var workloads pidFlags
	flags.Var(&workloads, "pid", "name=pid of a workload; may be repeated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClientOptions(workloadapi.WithAddr(*addr)))
	if err != nil {
		return err
	}
	defer source.Close()
	own, err := source.GetX509SVID()
	if err != nil {
		return err
	}
	authorize := tlsconfig.AuthorizeMemberOf(spiffeid.RequireTrustDomainFromString("example.org"))
	transport := credentials.NewTLS(tlsconfig.MTLSClientConfig(source, source, authorize))
	conn, err := grpc.NewClient(*target, grpc.WithTransportCredentials(transport), grpc.WithAuthority("localhost"))
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Println("as", own.ID)
	peer := &brokerPeer{
		ctx:     metadata.AppendToOutgoingContext(ctx, "broker.spiffe.io", "true"),
		conn:    conn,
		client:  broker.NewAPIClient(conn),
		reasons: *reasons,
	}
	switch *ask {
	case "workload":
		for _, workload := range workloads {
			peer.askAbout(workload.name, &broker.WorkloadPIDReference{Pid: workload.pid})
		}
	case "texts":
		for _, text := range []string{"shop", "other", "nobody"} {
			peer.askAbout(text, wrapperspb.String(text))
		}
	case "objects":
		for _, object := range objects {
			peer.askX509(peer.ctx, object.name, pack(object.reference))
		}
	case "refusals":
		peer.askWrongly()
	case "reflection":
		peer.askWhatIsServed(ctx)
	case "follow":
		peer.follow(&broker.WorkloadPIDReference{Pid: workloads[0].pid})
	default:
		return fmt.Errorf("unknown question %q", *ask)
	}
	return nil
}

type pidFlag struct {
	name string
	pid  int32
}

type pidFlags []pidFlag

func (p *pidFlags) String() string { return fmt.Sprint(*p) }

func (p *pidFlags) Set(text string) error {
	name, number, _ := strings.Cut(text, "=")
	var pid int32
	if _, err := fmt.Sscan(number, &pid); err != nil {
		return err
	}
	*p = append(*p, pidFlag{name, pid})
	return nil
}

type objectFlag struct {
	name      string
	reference *broker.KubernetesObjectReference
}

type objectFlags []objectFlag

func (o *objectFlags) String() string { return fmt.Sprint(*o) }

// Set reads an object; a dash for plural or name leaves type or key out.
func (o *objectFlags) Set(text string) error {
	parts := strings.Split(text, ",")
	if len(parts) != 5 {
		return fmt.Errorf("not an object: %q", text)
	}
	reference := &broker.KubernetesObjectReference{Uid: parts[4]}
	if parts[0] != "-" {
		reference.Type = &broker.KubernetesObjectType{Plural: parts[0], Group: parts[1]}
	}
	if parts[3] != "-" {
		reference.Key = &broker.KubernetesObjectKey{Namespace: parts[2], Name: parts[3]}
	}
	*o = append(*o, objectFlag{text, reference})
	return nil
}

func pack(message proto.Message) *broker.WorkloadReference {
	packed, err := anypb.New(message)
	if err != nil {
		panic(err)
	}
	return &broker.WorkloadReference{Reference: packed}
}

func (p *brokerPeer) askAbout(name string, reference proto.Message) {
	p.askFor(p.ctx, name, pack(reference))
}

// askFor asks all four methods about a workload.
func (p *brokerPeer) askFor(ctx context.Context, name string, reference *broker.WorkloadReference) {
	p.askX509(ctx, name, reference)
	jwt, err := p.client.FetchJWTSVID(ctx, &broker.FetchJWTSVIDRequest{Reference: reference, Audience: []string{"a"}})
	for _, svid := range jwt.GetSvids() {
		fmt.Println(" jwt", svid.SpiffeId, len(svid.Svid) > 0, svid.Hint)
	}
	p.told(name+" jwt", err)
	roots, err := p.client.SubscribeToX509Bundles(ctx, &broker.SubscribeToX509BundlesRequest{Reference: reference})
	if err == nil {
		var update *broker.SubscribeToX509BundlesResponse
		if update, err = roots.Recv(); err == nil {
			fmt.Println(" roots of", sortedKeys(update.Bundles), len(update.Crl))
		}
	}
	p.told(name+" roots", err)
	keys, err := p.client.SubscribeToJWTBundles(ctx, &broker.SubscribeToJWTBundlesRequest{Reference: reference})
	if err == nil {
		var update *broker.SubscribeToJWTBundlesResponse
		if update, err = keys.Recv(); err == nil {
			fmt.Println(" keys of", sortedKeys(update.Bundles))
		}
	}
	p.told(name+" keys", err)
}

func (p *brokerPeer) askX509(ctx context.Context, name string, reference *broker.WorkloadReference) {
	stream, err := p.client.SubscribeToX509SVID(ctx, &broker.SubscribeToX509SVIDRequest{Reference: reference})
	if err == nil {
		var update *broker.SubscribeToX509SVIDResponse
		if update, err = stream.Recv(); err == nil {
			printBrokered(update)
		}
	}
	p.told(name+" x509", err)
}

func printBrokered(update *broker.SubscribeToX509SVIDResponse) {
	fmt.Println(" x509 svids", len(update.Svids), sortedKeys(update.FederatedBundles), len(update.Crl))
	for _, svid := range update.Svids {
		fmt.Println(" x509", svid.SpiffeId, len(svid.X509Svid) > 0, len(svid.X509SvidKey) > 0, len(svid.Bundle) > 0, svid.Hint)
	}
}

// askWrongly asks what is to be refused.
func (p *brokerPeer) askWrongly() {
	any := func(url string, value ...byte) *broker.WorkloadReference {
		return &broker.WorkloadReference{Reference: &anypb.Any{TypeUrl: url, Value: value}}
	}
	const prefix = "type.googleapis.com/spiffe.broker."
	p.askX509(p.ctx, "no reference", nil)
	p.askX509(p.ctx, "empty reference", &broker.WorkloadReference{})
	p.askX509(p.ctx, "reference without type", any(""))
	p.askX509(p.ctx, "unknown type", pack(&emptypb.Empty{}))
	p.askX509(p.ctx, "type of another host", any("example.org/spiffe.broker.WorkloadPIDReference", 8, 1))
	p.askX509(p.ctx, "kubernetes object", pack(&broker.KubernetesObjectReference{
		Type: &broker.KubernetesObjectType{Plural: "pods", Group: "core"}, Uid: "u",
	}))
	if p.reasons {
		p.askX509(p.ctx, "malformed process", any(prefix+"WorkloadPIDReference", 8, 0x80))
		p.askX509(p.ctx, "malformed object", any(prefix+"KubernetesObjectReference", 0xff))
		p.askX509(p.ctx, "process 0", pack(&broker.WorkloadPIDReference{}))
		p.askX509(p.ctx, "process -1", pack(&broker.WorkloadPIDReference{Pid: -1}))
		p.askX509(p.ctx, "process that is not there", pack(&broker.WorkloadPIDReference{Pid: 1<<22 + 1}))
	}
	_, err := p.client.FetchJWTSVID(p.ctx, &broker.FetchJWTSVIDRequest{})
	p.told("jwt without anything", err)
	_, err = p.client.FetchJWTSVID(p.ctx, &broker.FetchJWTSVIDRequest{Audience: []string{"a"}})
	p.told("jwt without reference", err)
	bare := context.WithoutCancel(context.Background())
	p.askX509(bare, "no header", nil)
	for _, values := range [][]string{{"false"}, {"TRUE"}, {""}, {"true", "true"}} {
		ctx := bare
		for _, value := range values {
			ctx = metadata.AppendToOutgoingContext(ctx, "broker.spiffe.io", value)
		}
		p.askX509(ctx, fmt.Sprintf("header %q", values), nil)
	}
	p.askX509(metadata.AppendToOutgoingContext(bare, "workload.spiffe.io", "true"), "header of the Workload API", nil)
	p.told("unknown method", p.conn.Invoke(p.ctx, "/spiffe.broker.API/Nothing", &emptypb.Empty{}, &emptypb.Empty{}))
	p.told("Workload API", p.conn.Invoke(p.ctx, "/SpiffeWorkloadAPI/FetchJWTSVID", &emptypb.Empty{}, &emptypb.Empty{}))
}

// askWhatIsServed asks for descriptions, with the security header and without.
func (p *brokerPeer) askWhatIsServed(bare context.Context) {
	p.describe(bare, "without header", &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	})
	p.describe(p.ctx, "services", &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	})
	for _, symbol := range []string{
		"spiffe.broker.API", "spiffe.broker.API.FetchJWTSVID", "spiffe.broker.WorkloadPIDReference",
		"spiffe.broker.WorkloadPIDReference.pid", "spiffe.broker.Nothing", "",
	} {
		p.describe(p.ctx, "symbol "+symbol, &reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
		})
	}
	p.describe(p.ctx, "file", &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: "nothing.proto"},
	})
	p.describe(p.ctx, "extension", &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingExtension{
			FileContainingExtension: &reflectionv1.ExtensionRequest{ContainingType: "spiffe.broker.X509SVID", ExtensionNumber: 1},
		},
	})
	p.describe(p.ctx, "extensions", &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: "spiffe.broker.X509SVID"},
	})
	p.describe(p.ctx, "nothing", &reflectionv1.ServerReflectionRequest{})
	old, err := reflectionv1alpha.NewServerReflectionClient(p.conn).ServerReflectionInfo(p.ctx)
	if err == nil {
		_ = old.Send(&reflectionv1alpha.ServerReflectionRequest{
			MessageRequest: &reflectionv1alpha.ServerReflectionRequest_ListServices{},
		})
		var answer *reflectionv1alpha.ServerReflectionResponse
		if answer, err = old.Recv(); err == nil {
			fmt.Println(" services", len(answer.GetListServicesResponse().GetService()))
		}
	}
	p.told("v1alpha", err)
}

func (p *brokerPeer) describe(ctx context.Context, name string, request *reflectionv1.ServerReflectionRequest) {
	stream, err := reflectionv1.NewServerReflectionClient(p.conn).ServerReflectionInfo(ctx)
	if err == nil {
		request.Host = "h"
		// When the call is refused already, sending says no more than that; receiving says why.
		_ = stream.Send(request)
		var answer *reflectionv1.ServerReflectionResponse
		if answer, err = stream.Recv(); err == nil {
			fmt.Println(" host", answer.ValidHost, proto.Equal(answer.OriginalRequest, request))
			printDescription(answer)
		}
	}
	p.told(name, err)
}

func printDescription(answer *reflectionv1.ServerReflectionResponse) {
	for _, service := range answer.GetListServicesResponse().GetService() {
		fmt.Println("  service", service.Name)
	}
	for _, encoded := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := new(descriptorpb.FileDescriptorProto)
		if err := proto.Unmarshal(encoded, file); err != nil {
			fmt.Println(err)
			continue
		}
		messages := make([]string, 0, len(file.MessageType))
		for _, message := range file.MessageType {
			messages = append(messages, message.GetName())
		}
		sort.Strings(messages)
		fmt.Println("  file of", file.GetPackage(), messages)
	}
	if numbers := answer.GetAllExtensionNumbersResponse(); numbers != nil {
		fmt.Println("  extensions of", numbers.BaseTypeName, numbers.ExtensionNumber)
	}
	if refusal := answer.GetErrorResponse(); refusal != nil {
		// The text has one of two kinds of spaces in Go, by chance.
		fmt.Println("  refused", refusal.ErrorCode, strings.ReplaceAll(refusal.ErrorMessage, "\u00a0", " "))
	}
}

// follow prints every answer about a workload's X509-SVIDs until the stream ends.
func (p *brokerPeer) follow(reference proto.Message) {
	stream, err := p.client.SubscribeToX509SVID(p.ctx, &broker.SubscribeToX509SVIDRequest{Reference: pack(reference)})
	for err == nil {
		var update *broker.SubscribeToX509SVIDResponse
		if update, err = stream.Recv(); err == nil {
			printBrokered(update)
		}
	}
	p.told("end", err)
}

func (p *brokerPeer) told(what string, err error) {
	state := status.Convert(err)
	told(what, err)
	if !p.reasons {
		return
	}
	for _, detail := range state.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			fmt.Println(" reason", info.Reason, info.Domain)
		}
	}
}
