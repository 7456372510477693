import io.spiffe.spiffeid.TrustDomain;
import io.spiffe.svid.jwtsvid.JwtSvid;
import io.spiffe.svid.x509svid.X509Svid;
import io.spiffe.svid.x509svid.X509SvidValidator;
import io.spiffe.workloadapi.DefaultWorkloadApiClient;
import io.spiffe.workloadapi.DefaultX509Source;
import io.spiffe.workloadapi.Watcher;
import io.spiffe.workloadapi.WorkloadApiClient;
import io.spiffe.workloadapi.X509Context;
import java.util.Collection;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;

/** Drives a Workload API with the published java-spiffe; prints JSON lines. */
final class Workload {
    public static void main(String[] args) throws Exception {
        Logger.getLogger("").setLevel(Level.WARNING);
        String address = args[0];
        switch (args[1]) {
            case "x509" -> x509(address);
            case "jwt" -> jwt(address, args[2]);
            case "bundles" -> bundles(address);
            case "watch" -> watch(address, Integer.parseInt(args[2]));
            default -> throw new IllegalArgumentException("no such operation: " + args[1]);
        }
        // Threads of the transport would keep the process for a while.
        System.exit(0);
    }

    /** By the source that rotates; the chain has to lead to the bundle that came with it. */
    private static void x509(String address) throws Exception {
        var options = DefaultX509Source.X509SourceOptions.builder().spiffeSocketPath(address).build();
        try (DefaultX509Source source = DefaultX509Source.newSource(options)) {
            X509Svid svid = source.getX509Svid();
            X509SvidValidator.verifyChain(svid.getChain(), source);
            int roots = source.getBundleForTrustDomain(svid.getSpiffeId().getTrustDomain())
                .getX509Authorities().size();
            System.out.printf("{\"id\":\"%s\",\"roots\":%d}%n", svid.getSpiffeId(), roots);
        }
    }

    /** Has the token validated by the agent, and validates it against the bundles itself. */
    private static void jwt(String address, String audience) throws Exception {
        try (WorkloadApiClient client = connect(address)) {
            String token = client.fetchJwtSvid(audience).getToken();
            JwtSvid told = client.validateJwtSvid(token, audience);
            JwtSvid proven = JwtSvid.parseAndValidate(token, client.fetchJwtBundles(), Set.of(audience));
            if (!told.getSpiffeId().equals(proven.getSpiffeId()))
                throw new IllegalStateException("the agent and the bundle disagree");
            System.out.printf("{\"id\":\"%s\"}%n", proven.getSpiffeId());
        }
    }

    private static void bundles(String address) throws Exception {
        try (WorkloadApiClient client = connect(address)) {
            System.out.printf("{\"x509\":%s,\"jwt\":%s}%n",
                list(client.fetchX509Bundles().getBundles().keySet()),
                list(client.fetchJwtBundles().getBundles().keySet()));
        }
    }

    private static void watch(String address, int updates) throws Exception {
        CountDownLatch left = new CountDownLatch(updates);
        try (WorkloadApiClient client = connect(address)) {
            client.watchX509Context(new Watcher<X509Context>() {
                @Override
                public void onUpdate(X509Context context) {
                    if (left.getCount() == 0) return;
                    System.out.printf("{\"id\":\"%s\"}%n", context.getDefaultSvid().getSpiffeId());
                    left.countDown();
                }

                @Override
                public void onError(Throwable error) {
                    error.printStackTrace();
                }
            });
            if (!left.await(60, TimeUnit.SECONDS)) throw new IllegalStateException("no update came");
        }
    }

    private static WorkloadApiClient connect(String address) throws Exception {
        return DefaultWorkloadApiClient.newClient(
            DefaultWorkloadApiClient.ClientOptions.builder().spiffeSocketPath(address).build());
    }

    private static String list(Collection<TrustDomain> domains) {
        return domains.stream().map(domain -> "\"" + domain.getName() + "\"").sorted()
            .collect(Collectors.joining(",", "[", "]"));
    }
}
