package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// What a test wants to go wrong: with the nth call of a method (or of "GET /folder/"), before it happens or when only
// its answer is left to be sent.
type fault struct {
	what   string
	when   string // before, after
	action string // fault, task, hang, drop, status, wait
	name   string // of the fault
	text   string
	status int
	wait   time.Duration
	skip   int
	times  int
}

func (f *front) planned(what, when string) *fault {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for _, p := range f.faults {
		if p.what != what || p.when != when || p.times == 0 {
			continue
		}
		if p.skip > 0 {
			p.skip--
			continue
		}
		p.times--
		return p
	}
	return nil
}

func (f *front) interrupt(w http.ResponseWriter, r *http.Request, what, when string) bool {
	p := f.planned(what, when)
	if p == nil {
		return false
	}
	return p.carryOut(w, r)
}

// False when the call goes on.
func (p *fault) carryOut(w http.ResponseWriter, r *http.Request) bool {
	switch p.action {
	case "fault":
		writeFault(w, p.name, p.text)
	case "status":
		http.Error(w, p.text, p.status)
	case "wait":
		select {
		case <-time.After(p.wait):
		case <-r.Context().Done():
		}
		return false
	case "drop":
		if h, ok := w.(http.Hijacker); ok {
			if c, _, err := h.Hijack(); err == nil {
				_ = c.Close()
			}
		}
	}
	return true
}

// Lets the task fail that a method would have begun, or hang.
func (c *call) failTask() bool {
	p := c.front.planned(c.method.Name, "task")
	if p == nil {
		return false
	}
	kind, ok := types.TypeFunc()(p.name)
	if !ok {
		return c.fault("NotSupported", "No fault is called "+p.name+".")
	}
	reason, ok := reflect.New(kind).Interface().(types.BaseMethodFault)
	if !ok {
		return c.fault("NotSupported", p.name+" is no fault.")
	}
	name := strings.TrimSuffix(c.method.Name, "_Task")
	ref := c.front.newTask(c.method.This, name, reason, p.text, p.wait)
	fmt.Fprintf(c.w, `%s<%sResponse xmlns="urn:vim25"><returnval type="Task">%s</returnval></%sResponse>%s`,
		head, c.method.Name, ref.Value, c.method.Name, tail)
	return true
}

func copyAnswer(c *call, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		c.w.Header()[name] = values
	}
	c.w.WriteHeader(answer.Code)
	_, _ = c.w.Write(answer.Body.Bytes())
}
