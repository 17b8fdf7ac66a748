// Package connection keeps, for every cluster that has formed, the ConfigMap that tells clients how to reach it: addresses that follow the
// membership, and the CAs to trust. Which CAs these are is the certificate controller's concern, which writes them into the ConfigMap
// before members show certificates of them; here they are only put in where none are yet, and taken out when TLS is off.
package connection
