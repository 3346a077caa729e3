package main

import (
	"bytes"
	"fmt"
	"io/ioutil"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// A call of a method, with the session that it comes in already checked.
type call struct {
	front  *front
	w      http.ResponseWriter
	r      *http.Request
	method *simulator.Method
	body   []byte
}

// What answers a method in the simulator's place; false leaves it to the simulator.
type handler func(c *call) bool

// Filled by init() of the files: by the method's name, and by the beginning of a path (/folder/, /nfc/).
var (
	methods = map[string]handler{}
	paths   = map[string]func(f *front, w http.ResponseWriter, r *http.Request){}
)

type front struct {
	next     http.Handler
	service  *simulator.Service
	host     string
	user     string
	password string
	pageSize int
	version  string
	prior    []string // older versions of the interface

	// Held for what follows; never while something is sent to a client that reads slowly.
	mutex    sync.Mutex
	machines map[string]*machine // by the id of the VM's managed object
	sessions map[string]bool     // that were begun
	ended    map[string]bool     // those that a test has ended
	pages    map[string][]string // by token
	tokens   int
	faults   []*fault
	calls    []string
	needs    map[string]bool   // VMs whose next removal of a snapshot leaves something to consolidate
	denied   map[string]bool   // privileges that the user lacks
	tasks    map[string]func() // tasks that hang, by their ids; what ends them
	spoken   string            // the version of the interface that the last call was made by
	reading  int               // requests for bytes that are under way
	most     int               // of them, at once
	atEnd    int               // of them, at most, while a snapshot was asked to go
}

func newFront(next http.Handler, service *simulator.Service, host, user, password string, page int, version string, prior []string) *front {
	return &front{next: next, service: service, host: host, user: user, password: password, pageSize: page,
		version: version, prior: prior,
		machines: map[string]*machine{}, sessions: map[string]bool{}, ended: map[string]bool{}, pages: map[string][]string{},
		needs: map[string]bool{}, denied: map[string]bool{}, tasks: map[string]func(){}}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(soap.SessionCookieName); err == nil {
		f.mutex.Lock()
		ended := f.ended[cookie.Value]
		f.mutex.Unlock()
		if ended {
			r.Header.Del("Cookie")
		}
	}
	if strings.HasPrefix(r.URL.Path, "/harness/") {
		f.harness(w, r)
		return
	}
	if r.URL.Path == "/sdk/vimServiceVersions.xml" {
		if f.interrupt(w, r, "GET "+r.URL.Path, "before") {
			return
		}
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><namespaces version="1.0"><namespace>`+
			`<name>urn:vim25</name><version>%s</version><priorVersions>`, f.version)
		for _, v := range f.prior {
			fmt.Fprintf(w, `<version>%s</version>`, v)
		}
		fmt.Fprint(w, `</priorVersions></namespace></namespaces>`)
		return
	}
	if r.URL.Path == "/sdk" || r.URL.Path == "/sdk/" || r.URL.Path == "/sdk/vimService" {
		f.serveSoap(w, r)
		return
	}
	for prefix, serve := range paths {
		if strings.HasPrefix(r.URL.Path, prefix) {
			f.record(r.Method + " " + r.URL.Path)
			if prefix == "/folder/" || prefix == "/nfc/" {
				f.begin()
				defer f.end()
			}
			if f.interrupt(w, r, r.Method+" "+prefix, "before") {
				return
			}
			serve(f, w, r)
			return
		}
	}
	f.next.ServeHTTP(w, r)
}

// What a session is not needed for.
var open = map[string]bool{"RetrieveServiceContent": true, "Login": true, "LoginExtensionByCertificate": true}

func (f *front) serveSoap(w http.ResponseWriter, r *http.Request) {
	body, err := ioutil.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	_ = r.Body.Close()
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	method, err := simulator.UnmarshalBody(typeOf, body)
	if err != nil {
		// The simulator has the words for it.
		f.pass(w, r, body)
		return
	}
	f.record(method.Name)
	f.mutex.Lock()
	f.spoken = strings.Trim(r.Header.Get("SOAPAction"), `"`)
	f.mutex.Unlock()
	if method.Name == "RemoveSnapshot_Task" {
		f.countAtEnd()
	}
	c := &call{front: f, w: w, r: r, method: method, body: body}
	if !open[method.Name] && !f.authenticated(r) {
		c.fault("NotAuthenticated", "The session is not authenticated.")
		return
	}
	if f.interrupt(w, r, method.Name, "before") || c.failTask() {
		return
	}
	// What happens is kept from the client when a plan says that the answer is lost.
	late := f.planned(method.Name, "after")
	if late != nil {
		recorder := httptest.NewRecorder()
		c.w = recorder
		c.dispatch()
		late.carryOut(w, r)
		return
	}
	c.dispatch()
}

func (c *call) dispatch() {
	if h := methods[c.method.Name]; h != nil && h(c) {
		return
	}
	c.front.pass(c.w, c.r, c.body)
}

func typeOf(name string) (reflect.Type, bool) {
	return types.TypeFunc()(name)
}

// The simulator's own answer.
func (f *front) pass(w http.ResponseWriter, r *http.Request, body []byte) {
	copied := r.Clone(r.Context())
	copied.URL.Path = "/sdk"
	copied.Body = ioutil.NopCloser(bytes.NewReader(body))
	f.next.ServeHTTP(w, copied)
}

// The simulator's own answer, as text.
func (c *call) ask() *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	c.front.pass(recorder, c.r, c.body)
	return recorder
}

// Whether a request comes with a session, asked of the simulator, which renews it. By cookie, or as /folder takes it
// too, by user and password.
func (f *front) authenticated(r *http.Request) bool {
	cookie, err := r.Cookie(soap.SessionCookieName)
	if err != nil {
		return false
	}
	const now = `<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><CurrentTime xmlns="urn:vim25">` +
		`<_this type="ServiceInstance">ServiceInstance</_this></CurrentTime></Body></Envelope>`
	request := httptest.NewRequest(http.MethodPost, "/sdk", strings.NewReader(now))
	request.AddCookie(cookie)
	recorder := httptest.NewRecorder()
	f.next.ServeHTTP(recorder, request)
	return recorder.Code == http.StatusOK
}

func (f *front) record(what string) {
	f.mutex.Lock()
	f.calls = append(f.calls, what)
	f.mutex.Unlock()
}

func (f *front) begin() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.reading++
	if f.reading > f.most {
		f.most = f.reading
	}
}

func (f *front) end() {
	f.mutex.Lock()
	f.reading--
	f.mutex.Unlock()
}

// How many requests for bytes are under way when a snapshot is asked to go. One whose last byte has just been taken is
// given a moment to notice it.
func (f *front) countAtEnd() {
	for i := 0; ; i++ {
		f.mutex.Lock()
		now := f.reading
		if now == 0 || i == 20 {
			if now > f.atEnd {
				f.atEnd = now
			}
			f.mutex.Unlock()
			return
		}
		f.mutex.Unlock()
		time.Sleep(50 * time.Millisecond)
	}
}

const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
	`<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
	`xmlns:xsd="http://www.w3.org/2001/XMLSchema" ` +
	`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
const tail = `</soapenv:Body></soapenv:Envelope>`

// Answers with a structure of vim25, by the name of the called method.
func (c *call) reply(response interface{}) bool {
	var out bytes.Buffer
	e := xml.NewEncoder(&out)
	start := xml.StartElement{Name: xml.Name{Space: "urn:vim25", Local: c.method.Name + "Response"}}
	if err := e.EncodeElement(response, start); err != nil {
		http.Error(c.w, err.Error(), http.StatusInternalServerError)
		return true
	}
	_ = e.Flush()
	c.w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprint(c.w, head, out.String(), tail)
	return true
}

// Answers with a fault that has no members of its own.
func (c *call) fault(name, message string) bool {
	writeFault(c.w, name, message)
	return true
}

func writeFault(w http.ResponseWriter, name, message string) {
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(message))
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, `%s<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring>`+
		`<detail><%sFault xmlns="urn:vim25" xsi:type="%s"></%sFault></detail></soapenv:Fault>%s`,
		head, text.String(), name, name, name, tail)
}
