// A vCenter or an ESXi host for tests: govmomi's simulator with a handler of ours before it for what it lacks. What
// the handler adds is our model of documented behaviour and proves nothing of a real host.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"net/url"
	"os"
	"os/signal"
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
	idle := flag.Duration("idle", 0, "after which a session ends; 0 for never")
	page := flag.Int("page", 3, "objects in one answer of the property collector; 0 for all")
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
	model.Service.Listen = &url.URL{Host: *listen, User: url.UserPassword(*user, *pass)}
	server := model.Service.NewServer()
	front := newFront(server.Config.Handler, model.Service, server.Listener.Addr().String(), *user, *pass, *page, *version)
	if err := front.prepare(*name, *mib, *extra); err != nil {
		fail(err)
	}
	server.Config.Handler = front
	certify(server.Certificate().Raw)
	sum := sha256.Sum256(server.Certificate().Raw)
	out, _ := json.Marshal(map[string]interface{}{
		"url": "https://" + front.host + "/", "pid": os.Getpid(), "user": *user,
		"thumbprint": hex.EncodeToString(sum[:]), "machines": front.describe(),
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
func certify(raw []byte) {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
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
