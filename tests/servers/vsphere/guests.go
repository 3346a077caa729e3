package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/ioutil"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Guest operations, with a guest that is a table: what a program writes and how it ends. Our model; a program is over
// at the second look.

const guestUser, guestPassword = "root", "guest-s3cret"

type guest struct {
	answers  bool
	programs map[string]ending // by the program with its arguments; "" for all others
	files    map[string][]byte
	folders  map[string]bool
	runs     map[int64]*run
	next     int64
}

// As tests write it.
type ending struct {
	Output string `json:"output"`
	Exit   int32  `json:"exit"`
}

type run struct {
	info  types.GuestProcessInfo
	looks int
	end   ending
}

var guestsOf = map[string]*guest{}

var everyGuest = flag.String("guest", "", `what the guest of every VM that starts does, as JSON: {"": {"output": "1"}, `+
	`"*audit verify": {"output": "broken", "exit": 1}}; a key is a line, or a star and its end`)

func init() {
	for name, h := range map[string]handler{
		"ValidateCredentialsInGuest":      func(c *call) bool { return c.reply(&types.ValidateCredentialsInGuestResponse{}) },
		"CreateTemporaryDirectoryInGuest": guestFolder, "DeleteDirectoryInGuest": deleteGuestFolder,
		"InitiateFileTransferToGuest": toGuest, "InitiateFileTransferFromGuest": fromGuest,
		"StartProgramInGuest": startProgram, "ListProcessesInGuest": listProcesses,
		"TerminateProcessInGuest": terminateProcess,
	} {
		h := h
		methods[name] = func(c *call) bool { return inGuest(c, h) }
	}
	paths["/guestFile"] = serveGuestFile
}

// Half of the managers are missing from this govmomi.
func offerGuestOperations() {
	ref := simulator.Map.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}).(*simulator.ServiceInstance).Content.GuestOperationsManager
	if m, ok := simulator.Map.Get(*ref).(*simulator.GuestOperationsManager); ok {
		m.AuthManager = &types.ManagedObjectReference{Type: "GuestAuthManager", Value: "guestOperationsAuthManager"}
	}
}

func (f *front) setGuest(vm *simulator.VirtualMachine, q url.Values) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	g := guestOf(vm.Self.Value)
	g.answers = q.Get("answers") != "false"
	exit, _ := strconv.Atoi(q.Get("exit"))
	g.programs[q.Get("program")] = ending{q.Get("output"), int32(exit)}
	tellReady(vm, g.answers)
}

func tellReady(vm *simulator.VirtualMachine, ready bool) {
	simulator.Map.WithLock(vm, func() {
		known := *vm.Guest
		known.GuestOperationsReady = &ready
		vm.Guest = &known
	})
}

func guestOf(id string) *guest {
	if guestsOf[id] == nil {
		guestsOf[id] = &guest{programs: map[string]ending{}, files: map[string][]byte{}, folders: map[string]bool{},
			runs: map[int64]*run{}, next: 100}
		wanted := map[string]ending{}
		if *everyGuest != "" && json.Unmarshal([]byte(*everyGuest), &wanted) == nil {
			guestsOf[id].answers = true
			for line, end := range wanted {
				guestsOf[id].programs[line] = end
			}
		}
	}
	return guestsOf[id]
}

// Who asks, and of which VM; every request of guest operations has both.
func who(body interface{}) (types.ManagedObjectReference, types.BaseGuestAuthentication) {
	request := reflect.ValueOf(body).Elem()
	vm, _ := request.FieldByName("Vm").Interface().(types.ManagedObjectReference)
	auth, _ := request.FieldByName("Auth").Interface().(types.BaseGuestAuthentication)
	return vm, auth
}

func inGuest(c *call, h handler) bool {
	c.front.mutex.Lock()
	defer c.front.mutex.Unlock()
	ref, auth := who(c.method.Body)
	vm := vmOf(ref.Value)
	if vm == nil {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn || !guestOf(ref.Value).answers {
		return c.fault("GuestOperationsUnavailable", "The guest operations agent could not be contacted.")
	}
	login, ok := auth.(*types.NamePasswordAuthentication)
	if !ok || login.Username != guestUser || login.Password != guestPassword {
		return c.fault("InvalidGuestLogin", "Failed to authenticate with the guest operating system.")
	}
	return h(c)
}

func guestFolder(c *call) bool {
	r := c.method.Body.(*types.CreateTemporaryDirectoryInGuest)
	g := guestOf(r.Vm.Value)
	g.next++
	name := fmt.Sprintf("/tmp/%s%d%s", r.Prefix, g.next, r.Suffix)
	g.folders[name] = true
	return c.reply(&types.CreateTemporaryDirectoryInGuestResponse{Returnval: name})
}

func deleteGuestFolder(c *call) bool {
	r := c.method.Body.(*types.DeleteDirectoryInGuest)
	g := guestOf(r.Vm.Value)
	if !g.folders[r.DirectoryPath] {
		return c.fault("FileNotFound", "File "+r.DirectoryPath+" was not found")
	}
	delete(g.folders, r.DirectoryPath)
	for name := range g.files {
		if strings.HasPrefix(name, r.DirectoryPath+"/") {
			delete(g.files, name)
		}
	}
	return c.reply(&types.DeleteDirectoryInGuestResponse{})
}

func guestURL(vm, name string) string {
	return "https://*:443/guestFile?vm=" + url.QueryEscape(vm) + "&name=" + url.QueryEscape(name)
}

func toGuest(c *call) bool {
	r := c.method.Body.(*types.InitiateFileTransferToGuest)
	return c.reply(&types.InitiateFileTransferToGuestResponse{Returnval: guestURL(r.Vm.Value, r.GuestFilePath)})
}

func fromGuest(c *call) bool {
	r := c.method.Body.(*types.InitiateFileTransferFromGuest)
	content, ok := guestOf(r.Vm.Value).files[r.GuestFilePath]
	if !ok {
		return c.fault("FileNotFound", "File "+r.GuestFilePath+" was not found")
	}
	return c.reply(&types.InitiateFileTransferFromGuestResponse{Returnval: types.FileTransferInformation{
		Attributes: &types.GuestPosixFileAttributes{}, Size: int64(len(content)), Url: guestURL(r.Vm.Value, r.GuestFilePath)}})
}

func serveGuestFile(f *front, w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	g, name := guestOf(r.URL.Query().Get("vm")), r.URL.Query().Get("name")
	if r.Method == http.MethodPut {
		g.files[name], _ = ioutil.ReadAll(r.Body)
		return
	}
	content, ok := g.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(content)
}

var redirection = regexp.MustCompile(` (2?>|<) '([^']*)'`)

// The tools give the line to a shell, so that output can be sent to files.
func startProgram(c *call) bool {
	r := c.method.Body.(*types.StartProgramInGuest)
	spec := r.Spec.GetGuestProgramSpec()
	g := guestOf(r.Vm.Value)
	line := spec.ProgramPath
	if plain := redirection.ReplaceAllString(" "+spec.Arguments, ""); plain != "" {
		line += " " + strings.ReplaceAll(strings.TrimSpace(plain), "'", "")
	}
	line = strings.TrimSpace(line)
	end, known := g.programs[line]
	for name, one := range g.programs {
		if !known && strings.HasPrefix(name, "*") && strings.HasSuffix(line, name[1:]) {
			end, known = one, true
		}
	}
	if !known {
		end, known = g.programs[""]
	}
	if !known {
		return c.fault("FileNotFound", "File "+spec.ProgramPath+" was not found")
	}
	for _, to := range redirection.FindAllStringSubmatch(" "+spec.Arguments, -1) {
		switch to[1] {
		case ">":
			g.files[to[2]] = []byte(end.Output)
		case "2>":
			g.files[to[2]] = nil
		case "<":
			if to[2] == "/dev/null" {
				continue
			}
			if content, ok := g.files[to[2]]; ok && end.Output == "(input)" {
				defer func(from string) { g.files[strings.TrimSuffix(from, "in")+"out"] = content }(to[2])
			}
		}
	}
	g.next++
	g.runs[g.next] = &run{end: end, info: types.GuestProcessInfo{Name: spec.ProgramPath, Pid: g.next, Owner: guestUser,
		CmdLine: line, StartTime: time.Now()}}
	return c.reply(&types.StartProgramInGuestResponse{Returnval: g.next})
}

func listProcesses(c *call) bool {
	r := c.method.Body.(*types.ListProcessesInGuest)
	g := guestOf(r.Vm.Value)
	response := types.ListProcessesInGuestResponse{}
	for _, pid := range r.Pids {
		one := g.runs[pid]
		if one == nil {
			continue
		}
		one.looks++
		if one.looks > 1 && one.info.EndTime == nil && one.end.Output != "(never)" {
			now := time.Now()
			one.info.EndTime, one.info.ExitCode = &now, one.end.Exit
		}
		response.Returnval = append(response.Returnval, one.info)
	}
	// govmomi leaves a code of 0 out; a server says it when the process has ended.
	w, answer := c.w, httptest.NewRecorder()
	c.w = answer
	c.reply(&response)
	c.w = w
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprint(w, strings.ReplaceAll(answer.Body.String(), "</endTime></returnval>",
		"</endTime><exitCode>0</exitCode></returnval>"))
	return true
}

func terminateProcess(c *call) bool {
	r := c.method.Body.(*types.TerminateProcessInGuest)
	delete(guestOf(r.Vm.Value).runs, r.Pid)
	return c.reply(&types.TerminateProcessInGuestResponse{})
}
