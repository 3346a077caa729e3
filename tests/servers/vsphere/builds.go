package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// What tests of building need beyond govmomi's simulator, and what they do behind its back:
//
//	GET  /bench/machines  the VMs as they are: name, uuid, power, disks with the files here, networks, marks
//	POST /bench/connect   uuid: connects the adapters when the VM is switched on
//	POST /bench/strip     uuid, key: takes options of the extra configuration away whose names begin so
//	POST /bench/option    uuid, key, value: an option of the extra configuration
//	POST /bench/move      uuid, network: connects its adapters there
//	POST /bench/guest     uuid, answers, program, output, exit: see guests.go

var asks = flag.Bool("ask", false, "ask at a VM's first start whether it was moved or copied")

func init() {
	methods["ReconfigVM_Task"] = reconfigure
	methods["PowerOnVM_Task"] = powerOn
	methods["AnswerVM"] = answerQuestion
	paths["/bench/"] = serveBench
}

// govmomi of this age only ever appends options; a server replaces them, and an empty one goes.
func reconfigure(c *call) bool {
	vm := vmOf(c.method.This.Value)
	if vm == nil {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	// A server takes one change of a VM after the other. Each makes another version of its configuration, and a change
	// that names an older one is refused (VirtualMachineConfigSpec.changeVersion).
	changing.Lock()
	defer changing.Unlock()
	if wanted := c.method.Body.(*types.ReconfigVM_Task).Spec.ChangeVersion; wanted != "" && wanted != vm.Config.ChangeVersion {
		return c.fault("ConcurrentAccess", "The object has been changed by somebody else: "+wanted+" is not its version.")
	}
	answer := c.ask()
	simulator.Map.WithLock(vm, func() { tidyOptions(vm) })
	newVersion(vm)
	c.front.mutex.Lock()
	c.front.adoptNew(vm)
	c.front.mutex.Unlock()
	copyAnswer(c, answer)
	return true
}

var (
	changing sync.Mutex
	versions int64
)

func newVersion(vm *simulator.VirtualMachine) {
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.changeVersion",
		Val: fmt.Sprintf("2026-11-30T00:00:00.%06dZ", atomic.AddInt64(&versions, 1))}})
}

func tidyOptions(vm *simulator.VirtualMachine) {
	var kept []types.BaseOptionValue
	seen := map[string]bool{}
	for i := len(vm.Config.ExtraConfig) - 1; i >= 0; i-- {
		option := vm.Config.ExtraConfig[i].GetOptionValue()
		if seen[option.Key] {
			continue
		}
		seen[option.Key] = true
		if text, ok := option.Value.(string); !ok || text != "" {
			kept = append([]types.BaseOptionValue{option}, kept...)
		}
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.extraConfig", Val: kept}})
}

// Disks that were attached later are kept like the others, so that they can be held, frozen and read.
func (f *front) adoptNew(vm *simulator.VirtualMachine) {
	m := f.machines[vm.Self.Value]
	if m == nil {
		m = &machine{id: vm.Self.Value, disks: map[int32]*disk{}, snapshots: map[string]map[int32]frozen{},
			base: map[int32]string{}}
		f.machines[m.id] = m
	}
	there := map[int32]bool{}
	for _, device := range virtualDisks(vm.Config.Hardware.Device) {
		there[device.Key] = true
		if _, ok := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && m.disks[device.Key] == nil {
			_ = m.adopt(device, 0)
		}
	}
	for key := range m.disks {
		if !there[key] {
			delete(m.disks, key)
		}
	}
}

// With -ask, the first start of a VM waits for an answer, as after its files were copied.
func powerOn(c *call) bool {
	vm := vmOf(c.method.This.Value)
	if vm != nil && *everyGuest != "" {
		tellReady(vm, true)
	}
	if vm != nil && vm.Runtime.Question != nil {
		return c.fault("TaskInProgress", "The operation is not allowed in the current state: another task is already in progress.")
	}
	if !*asks || vm == nil || vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		return false
	}
	ref := c.front.newTask(c.method.This, "PowerOnVM", &types.InvalidState{}, "Nobody answered.", 1<<40)
	question := &types.VirtualMachineQuestionInfo{
		Id:   ref.Value,
		Text: "msg.uuid.altered: This virtual machine might have been moved or copied.",
		Choice: types.ChoiceOption{ChoiceInfo: []types.BaseElementDescription{
			&types.ElementDescription{Key: "0", Description: types.Description{Label: "button.uuid.cancel", Summary: "Cancel"}},
			&types.ElementDescription{Key: "1", Description: types.Description{Label: "button.uuid.movedTheVM", Summary: "I Moved It"}},
			&types.ElementDescription{Key: "2", Description: types.Description{Label: "button.uuid.copiedTheVM", Summary: "I Copied It"}},
		}}}
	simulator.Map.WithLock(vm, func() { vm.Runtime.Question = question })
	return c.reply(&types.PowerOnVM_TaskResponse{Returnval: ref})
}

func answerQuestion(c *call) bool {
	request := c.method.Body.(*types.AnswerVM)
	vm := vmOf(c.method.This.Value)
	if vm == nil || vm.Runtime.Question == nil || vm.Runtime.Question.Id != request.QuestionId {
		return c.fault("InvalidArgument", "A specified parameter was not correct: questionId")
	}
	task, _ := simulator.Map.Get(types.ManagedObjectReference{Type: "Task", Value: request.QuestionId}).(*simulator.Task)
	simulator.Map.WithLock(vm, func() { vm.Runtime.Question = nil })
	if request.AnswerChoice == "2" {
		simulator.Map.Update(vm, []types.PropertyChange{{Name: "runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOn},
			{Name: "summary.runtime.powerState", Val: types.VirtualMachinePowerStatePoweredOn}})
		simulator.Map.Update(task, []types.PropertyChange{{Name: "info.state", Val: types.TaskInfoStateSuccess}})
	} else {
		simulator.Map.Update(task, []types.PropertyChange{{Name: "info.state", Val: types.TaskInfoStateError},
			{Name: "info.error", Val: &types.LocalizedMethodFault{Fault: &types.InvalidState{}, LocalizedMessage: "Cancelled."}}})
	}
	return c.reply(&types.AnswerVMResponse{})
}

func byUUID(uuid string) *simulator.VirtualMachine {
	for _, vm := range virtualMachines() {
		if vm.Config.InstanceUuid == uuid {
			return vm
		}
	}
	return nil
}

func serveBench(f *front, w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	verb := strings.TrimPrefix(r.URL.Path, "/bench/")
	if verb == "machines" {
		_ = json.NewEncoder(w).Encode(listMachines())
		return
	}
	vm := byUUID(q.Get("uuid"))
	if vm == nil {
		http.NotFound(w, r)
		return
	}
	switch verb {
	case "strip":
		var kept []types.BaseOptionValue
		for _, o := range vm.Config.ExtraConfig {
			if !strings.HasPrefix(o.GetOptionValue().Key, q.Get("key")) {
				kept = append(kept, o)
			}
		}
		simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.extraConfig", Val: kept}})
	case "option":
		simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.extraConfig", Val: append(
			append([]types.BaseOptionValue{}, vm.Config.ExtraConfig...), &types.OptionValue{Key: q.Get("key"), Value: q.Get("value")})}})
	case "move":
		for _, d := range vm.Config.Hardware.Device {
			if _, ok := d.(types.BaseVirtualEthernetCard); ok {
				d.GetVirtualDevice().Backing = &types.VirtualEthernetCardNetworkBackingInfo{
					Network:                        &types.ManagedObjectReference{Type: "Network", Value: "network-" + q.Get("network")},
					VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: q.Get("network")}}
			}
		}
	case "connect":
		for _, d := range vm.Config.Hardware.Device {
			if _, ok := d.(types.BaseVirtualEthernetCard); ok {
				d.GetVirtualDevice().Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true}
			}
		}
	case "guest":
		f.setGuest(vm, q)
	default:
		http.NotFound(w, r)
	}
}

func listMachines() []map[string]interface{} {
	all := []map[string]interface{}{}
	for _, vm := range virtualMachines() {
		disks, networks, options := []map[string]interface{}{}, []string{}, map[string]interface{}{}
		for _, d := range virtualDisks(vm.Config.Hardware.Device) {
			if backing, ok := d.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && backing.Datastore != nil {
				disks = append(disks, map[string]interface{}{"name": backing.FileName, "size": d.CapacityInBytes,
					"file": strings.TrimSuffix(localPath(backing.Datastore, backing.FileName), ".vmdk") + "-flat.vmdk"})
			}
		}
		for _, d := range vm.Config.Hardware.Device {
			if _, ok := d.(types.BaseVirtualEthernetCard); ok {
				networks = append(networks, networkOf(d.GetVirtualDevice().Backing))
			}
		}
		for _, o := range vm.Config.ExtraConfig {
			options[o.GetOptionValue().Key] = o.GetOptionValue().Value
		}
		all = append(all, map[string]interface{}{"name": vm.Name, "uuid": vm.Config.InstanceUuid, "id": vm.Self.Value,
			"running": vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn, "disks": disks,
			"networks": networks, "options": options})
	}
	return all
}

func networkOf(backing types.BaseVirtualDeviceBackingInfo) string {
	switch b := backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		return b.DeviceName
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		ref := types.ManagedObjectReference{Type: "DistributedVirtualPortgroup", Value: b.Port.PortgroupKey}
		if e, ok := simulator.Map.Get(ref).(mo.Entity); ok {
			return e.Entity().Name
		}
	}
	return ""
}
