package main

import (
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// What a suite needs that runs many times on one server.
//
//	renew    vm: no snapshots, nothing written, changes tracked from now on, a guest that answers
//	deafen   vm: its guest does not put its data in order
//	silence  vm: its guest is not heard of after the next snapshot, or the next try to make a quiesced one
//	nvram    vm; body: its firmware is UEFI, and this its variables
//	detach   vm, disk: the file is gone
//	replace  vm, disk; body: another disk is in its place
//	content  vm, disk: what the guest reads
func init() {
	verbs["renew"] = renew
	verbs["deafen"] = func(f *front, w http.ResponseWriter, vm *simulator.VirtualMachine, n int, body []byte) {
		deaf[vm.Self.Value] = true
	}
	verbs["silence"] = func(f *front, w http.ResponseWriter, vm *simulator.VirtualMachine, n int, body []byte) {
		silent[vm.Self.Value] = true
	}
	verbs["detach"] = func(f *front, w http.ResponseWriter, vm *simulator.VirtualMachine, n int, body []byte) {
		_ = os.Rename(f.diskOf(vm, n).file, f.diskOf(vm, n).file+gone)
	}
	verbs["replace"] = replace
	verbs["nvram"] = firmware
	verbs["content"] = func(f *front, w http.ResponseWriter, vm *simulator.VirtualMachine, n int, body []byte) {
		d := f.diskOf(vm, n)
		all := make([]byte, d.capacity)
		if err := d.read(all, 0, len(d.writes)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(all)
	}
}

const gone = ".gone"

// By the VM's id; the front's mutex holds them.
var deaf, silent = map[string]bool{}, map[string]bool{}

func (f *front) isDeaf(vm *simulator.VirtualMachine) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return deaf[vm.Self.Value]
}

func (f *front) isSilent(vm *simulator.VirtualMachine) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return silent[vm.Self.Value]
}

func (f *front) diskOf(vm *simulator.VirtualMachine, n int) *disk {
	return f.machineOf(vm.Self).disks[virtualDisks(vm.Config.Hardware.Device)[n].Key]
}

func renew(f *front, w http.ResponseWriter, vm *simulator.VirtualMachine, _ int, _ []byte) {
	m := f.machineOf(vm.Self)
	for id := range m.snapshots {
		simulator.Map.Remove(types.ManagedObjectReference{Type: "VirtualMachineSnapshot", Value: id})
	}
	m.snapshots = map[string]map[int32]frozen{}
	for _, d := range m.disks {
		d.writes, d.changes, d.family, d.gen = nil, nil, newFamily(), 1
		_ = os.Rename(d.file+gone, d.file)
		_ = os.Truncate(d.file, 0)
		_ = os.Truncate(d.file, d.capacity)
	}
	_ = f.mergeAll(vm, m)
	yes, no := true, false
	delete(deaf, vm.Self.Value)
	delete(silent, vm.Self.Value)
	delete(f.needs, vm.Self.Value)
	f.faults = nil
	vm.Snapshot, vm.Config.KeyId = nil, nil
	vm.Config.ChangeTrackingEnabled, vm.Runtime.ConsolidationNeeded = &yes, &no
	vm.GuestHeartbeatStatus, vm.Guest.ToolsRunningStatus = "green", "guestToolsRunning"
}

func replace(f *front, w http.ResponseWriter, vm *simulator.VirtualMachine, n int, body []byte) {
	d := f.diskOf(vm, n)
	backing := virtualDisks(vm.Config.Hardware.Device)[n].Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	backing.Uuid = uuidOf()
	d.family, d.gen, d.changes = newFamily(), 1, nil
	if err := d.writeFile(0, body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func firmware(f *front, w http.ResponseWriter, vm *simulator.VirtualMachine, _ int, body []byte) {
	vm.Config.Firmware = "efi"
	disk := virtualDisks(vm.Config.Hardware.Device)[0].Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	name := path.Dir(strings.TrimPrefix(f.diskOf(vm, 0).name, "[LocalDS_0] ")) + "/natalia.nvram"
	for i := range vm.LayoutEx.File {
		if vm.LayoutEx.File[i].Type == "nvram" {
			vm.LayoutEx.File[i].Name = "[LocalDS_0] " + name
		}
	}
	_ = os.WriteFile(localPath(disk.Datastore, "[LocalDS_0] "+name), body, 0600)
}
