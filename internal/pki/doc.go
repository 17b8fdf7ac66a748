// Package pki reads, judges and issues the certificates of a cluster. It knows neither Kubernetes nor etcd's client, owns no
// clock and no randomness, and never prints a key.
//
// What etcd does with certificates (read in the sources of 3.5.35, 3.6.16 and 3.7.3, where it is the same):
//   - Certificate and key are read from their files at each handshake, in both directions: client/pkg/transport/listener.go,
//     GetCertificate and GetClientCertificate in baseConfig (since 3.2, etcd-io/etcd#7784, #7829). A renewal restarts nothing.
//   - Trusted CA files are read once, when etcd starts: NewCertPool in ServerConfig and ClientConfig of that file. etcd-io/etcd
//     #11555 is open, and #16500 and #21074, which would change it, were not merged. A new bundle needs a restart.
//   - All blocks of a trusted CA file must be certificates, else etcd does not start: client/pkg/tlsutil, NewCertPool.
//   - A peer presents its one certificate as server and as client; naming a trusted CA makes the other side's mandatory.
//   - Peers are also looked up: of the DNS names of a peer's certificate one must resolve to its address, and a wildcard only counts
//     for the name that the address resolves to (checkCertSAN in listener_tls.go). So peers need a name without a wildcard.
package pki
