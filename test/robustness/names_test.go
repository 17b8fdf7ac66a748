//go:build robustness

package robustness

import (
	"context"
	"fmt"
	"net"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// serveNames answers for the Pods, ready or not, as a headless Service with publishNotReadyAddresses does.
func serveNames(lookup func(host string) (net.IP, bool)) error {
	conn, err := net.ListenPacket("udp", hostIP+":53")
	if err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if reply, err := answer(buffer[:n], lookup); err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	// The operator runs in this process and asks the same server.
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", hostIP+":53")
	}}
	return nil
}

func answer(query []byte, lookup func(string) (net.IP, bool)) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for _, q := range m.Questions {
		ip, known := lookup(strings.TrimSuffix(q.Name.String(), "."))
		switch {
		case !known:
			m.RCode = dnsmessage.RCodeNameError
		case q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 0},
				Body:   &dnsmessage.AResource{A: [4]byte(ip.To4())},
			})
		}
	}
	return m.Pack()
}
