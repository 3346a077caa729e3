package main

import (
	"encoding/json"
	"io/ioutil"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// What tests do behind the server's back. Not part of any interface of VMware's. Everything is POST, with arguments
// in the query; vm is the id of the managed object.
//
//	write     vm, disk (number), offset; body: a guest writes
//	snapshot  vm, name: somebody else takes a snapshot
//	reset     vm: change tracking forgets everything
//	fault     what, when, action, name, text, status, wait (ms), skip, times: see faults.go
//	expire    ends all sessions
//	set       vm, path, value: tools, encrypted, untracked, hardware
//	disk      vm, disk, mode, sharing, bus, capacity: what a disk of the VM, or its controller, is
//	license   edition: the only license
//	host      name; body: what the first host is called, and the certificate that the vCenter tells of it
//	deny      privilege
//	consolidate vm: its next removal of a snapshot leaves something to consolidate
//	state     GET: snapshots, calls, spoken (version), most (requests for bytes at once), atEnd (of them while a
//	          snapshot was asked to go)
//	clear     forgets the calls, the counts and the faults
func (f *front) harness(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(q.Get(name), 10, 64)
		return n
	}
	vm := vmOf(q.Get("vm"))
	verb := strings.TrimPrefix(r.URL.Path, "/harness/")
	switch verb {
	case "snapshot":
		f.takeSnapshot(vm, &types.CreateSnapshot_Task{This: vm.Self, Name: q.Get("name"), Description: q.Get("text")})
		return
	case "state":
		f.state(w)
		return
	case "expire":
		f.expire()
		return
	}
	body, _ := ioutil.ReadAll(r.Body)
	f.mutex.Lock()
	defer f.mutex.Unlock()
	switch verb {
	case "write":
		m := f.machineOf(vm.Self)
		d := m.disks[virtualDisks(vm.Config.Hardware.Device)[number("disk")].Key]
		if err := m.write(d, number("offset"), body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	case "reset":
		for _, d := range f.machineOf(vm.Self).disks {
			d.family, d.gen, d.changes = newFamily(), 1, nil
		}
	case "fault":
		times := 1
		if q.Get("times") != "" {
			times = int(number("times"))
		}
		f.faults = append(f.faults, &fault{what: q.Get("what"), when: q.Get("when"), action: q.Get("action"),
			name: q.Get("name"), text: q.Get("text"), status: int(number("status")), skip: int(number("skip")),
			wait: time.Duration(number("wait")) * time.Millisecond, times: times})
	case "set":
		set(vm, q.Get("path"), q.Get("value"))
	case "disk":
		f.alter(vm, q.Get("mode"), q.Get("sharing"), int(number("disk")), number("capacity"))
		if bus := q.Get("bus"); bus != "" {
			shareBus(vm, virtualDisks(vm.Config.Hardware.Device)[number("disk")].ControllerKey, bus)
		}
	case "license":
		manager := simulator.Map.Get(*simulator.Map.Get(instance).(*simulator.ServiceInstance).Content.LicenseManager)
		simulator.Map.Update(manager, []types.PropertyChange{{Name: "licenses", Val: []types.LicenseManagerLicenseInfo{
			{Name: "a license", EditionKey: q.Get("edition")}}}})
	case "host":
		host := simulator.Map.Any("HostSystem").(*simulator.HostSystem)
		host.Name = q.Get("name")
		config := *host.Config
		config.Certificate = body
		host.Config = &config
	case "deny":
		f.denied[q.Get("privilege")] = true
	case "consolidate":
		f.needs[vm.Self.Value] = true
	case "clear":
		f.calls, f.faults = nil, nil
		f.most, f.atEnd = f.reading, 0
	default:
		if do := verbs[verb]; do != nil && vm != nil {
			do(f, w, vm, int(number("disk")), body)
			return
		}
		http.NotFound(w, r)
	}
}

// More of them, from other files: with the mutex held, the VM, a disk's number and the body.
var verbs = map[string]func(f *front, w http.ResponseWriter, vm *simulator.VirtualMachine, disk int, body []byte){}

func (f *front) state(w http.ResponseWriter) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	snapshots := map[string][]string{}
	for id := range f.machines {
		vm := vmOf(id)
		snapshots[id] = []string{}
		if vm != nil && vm.Snapshot != nil {
			snapshots[id] = namesOf(vm.Snapshot.RootSnapshotList, snapshots[id])
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]interface{}{"snapshots": snapshots, "calls": f.calls,
		"spoken": f.spoken, "most": f.most, "atEnd": f.atEnd})
}

func namesOf(tree []types.VirtualMachineSnapshotTree, names []string) []string {
	for _, t := range tree {
		names = namesOf(t.ChildSnapshotList, append(names, t.Name))
	}
	return names
}

func init() { methods["Login"] = login }

// Remembers the session, so that a test can end it.
func login(c *call) bool {
	answer := c.ask()
	for _, cookie := range answer.Result().Cookies() {
		c.front.mutex.Lock()
		c.front.sessions[cookie.Value] = true
		c.front.mutex.Unlock()
	}
	copyAnswer(c, answer)
	return true
}

// Ends every session that was ever begun.
func (f *front) expire() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for id := range f.sessions {
		f.ended[id] = true
	}
}

func set(vm *simulator.VirtualMachine, path, value string) {
	change := types.PropertyChange{}
	switch path {
	case "tools":
		change = types.PropertyChange{Name: "guest.toolsRunningStatus", Val: value}
	case "untracked":
		no := false
		vm.Config.ChangeTrackingEnabled = &no
		return
	case "hardware":
		change = types.PropertyChange{Name: "config.version", Val: value}
	case "encrypted":
		change = types.PropertyChange{Name: "config.keyId", Val: &types.CryptoKeyId{KeyId: value}}
	}
	simulator.Map.Update(vm, []types.PropertyChange{change})
}

var instance = types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}

func shareBus(vm *simulator.VirtualMachine, key int32, sharing string) {
	for _, d := range vm.Config.Hardware.Device {
		if c, ok := d.(types.BaseVirtualSCSIController); ok && d.GetVirtualDevice().Key == key {
			c.GetVirtualSCSIController().SharedBus = types.VirtualSCSISharing(sharing)
		}
	}
}

// Makes a disk of a VM another one than backups expect.
func (f *front) alter(vm *simulator.VirtualMachine, mode, sharing string, n int, capacity int64) {
	device := virtualDisks(vm.Config.Hardware.Device)[n]
	backing := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if mode == "rdm" {
		device.Backing = &types.VirtualDiskRawDiskMappingVer1BackingInfo{
			VirtualDeviceFileBackingInfo: backing.VirtualDeviceFileBackingInfo,
			CompatibilityMode:            "physicalMode", DiskMode: "independent_persistent"}
		return
	}
	if mode == "linked" {
		below := *backing
		below.FileName = strings.TrimSuffix(backing.FileName, ".vmdk") + "-below.vmdk"
		backing.Parent = &below
		return
	}
	if mode != "" {
		backing.DiskMode = mode
	}
	if sharing != "" {
		backing.Sharing = sharing
	}
	if capacity > 0 {
		_ = f.machineOf(vm.Self).adoptSize(device, capacity)
	}
}
