// A vCenter or an ESXi host for tests: govmomi's simulator with a handler of ours before it for what it lacks. What
// the handler adds is our model of documented behaviour and proves nothing of a real host.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"math/big"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
)

func main() {
	esx := flag.Bool("esx", false, "one ESXi host instead of a vCenter")
	listen := flag.String("listen", "127.0.0.1:0", "address and port")
	user := flag.String("user", "backup@vsphere.local", "the user")
	pass := flag.String("pass", "secret", "the password")
	mib := flag.Int64("disk-mib", 8, "size of each disk")
	extra := flag.Int64("second-disk-mib", 0, "size of a second disk of each VM; 0 for none")
	name := flag.String("name", "natalia-nice", "the first VM's name")
	version := flag.String("version", "8.0.3.0", "the newest version of the interface")
	prior := flag.String("prior", "6.7.3,6.7,6.5", "the older versions that it speaks")
	idle := flag.Duration("idle", 0, "after which a session ends; 0 for never")
	page := flag.Int("page", 3, "objects in one answer of the property collector; 0 for all")
	own := flag.Bool("own-certificate", false, "a certificate of its own, by an authority of its own, for localhost, "+
		"instead of the one that all have")
	flag.Parse()
	log.SetOutput(ioutil.Discard)

	model := simulator.VPX()
	if *esx {
		model = simulator.ESX()
	}
	simulator.SessionIdleTimeout = *idle
	model.ServiceContent.About.ApiVersion = *version
	if err := model.Create(); err != nil {
		fail(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	model.Service.TLS = new(tls.Config)
	authority := ""
	if *own {
		certificate, issuer := newCertificate()
		model.Service.TLS.Certificates = []tls.Certificate{certificate}
		authority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer}))
	}
	model.Service.Listen = &url.URL{Host: *listen, User: url.UserPassword(*user, *pass)}
	server := model.Service.NewServer()
	front := newFront(server.Config.Handler, model.Service, server.Listener.Addr().String(), *user, *pass, *page, *version, strings.Split(*prior, ","))
	if err := front.prepare(*name, *mib, *extra); err != nil {
		fail(err)
	}
	server.Config.Handler = front
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	certify(certificate)
	sum := sha256.Sum256(server.Certificate().Raw)
	out, _ := json.Marshal(map[string]interface{}{
		"url": "https://" + front.host + "/", "pid": os.Getpid(), "user": *user,
		"thumbprint": hex.EncodeToString(sum[:]), "certificate": string(certificate), "authority": authority,
		"machines": front.describe(),
	})
	fmt.Println(string(out))

	// Who started it holds its standard input: it does not outlive them.
	go func() {
		_, _ = io.Copy(ioutil.Discard, os.Stdin)
		stop <- syscall.SIGTERM
	}()
	select {
	case <-stop:
	case <-time.After(2 * time.Hour):
	}
	model.Remove()
	os.Exit(0)
}

// The hosts of the vCenter have its own certificate here: they are at the same address.
func certify(text []byte) {
	for _, e := range simulator.Map.All("HostSystem") {
		host := e.(*simulator.HostSystem)
		if host.Config != nil {
			config := *host.Config
			config.Certificate = text
			host.Config = &config
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A certificate for localhost, and that of the authority that issued it.
func newCertificate() (tls.Certificate, []byte) {
	issuerKey, key := newKey(), newKey()
	issuer := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA of the tests"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	about := x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: issuer.NotBefore, NotAfter: issuer.NotAfter, DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	return tls.Certificate{Certificate: [][]byte{sign(&about, &issuer, key, issuerKey)}, PrivateKey: key},
		sign(&issuer, &issuer, issuerKey, issuerKey)
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fail(err)
	}
	return key
}

func sign(about, issuer *x509.Certificate, key, issuerKey *ecdsa.PrivateKey) []byte {
	raw, err := x509.CreateCertificate(rand.Reader, about, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		fail(err)
	}
	return raw
}
