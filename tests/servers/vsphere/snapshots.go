package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func init() {
	methods["CreateSnapshotEx_Task"] = createSnapshot
	methods["CreateSnapshot_Task"] = createSnapshot
	methods["RemoveSnapshot_Task"] = removeSnapshot
	methods["RemoveAllSnapshots_Task"] = refuse
	methods["RevertToSnapshot_Task"] = revert
	methods["ConsolidateVMDisks_Task"] = consolidate
	methods["CancelTask"] = cancelTask
}

func refuse(c *call) bool { return c.fault("NotSupported", "The tests' server does not do this.") }

func createSnapshot(c *call) bool {
	request := types.CreateSnapshot_Task{This: c.method.This}
	switch body := c.method.Body.(type) {
	case *types.CreateSnapshotEx_Task:
		request.Name, request.Description, request.Memory = body.Name, body.Description, body.Memory
		request.Quiesce = body.QuiesceSpec != nil
	case *types.CreateSnapshot_Task:
		request = *body
	}
	vm := vmOf(c.method.This.Value)
	if vm == nil {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	var task types.ManagedObjectReference
	if request.Quiesce && c.front.isDeaf(vm) {
		// Freezing that fails half way is what a guest is likeliest not to come back from.
		if c.front.isSilent(vm) {
			vm.GuestHeartbeatStatus = "red"
		}
		task = c.front.newTask(vm.Self, "createSnapshot", &types.ApplicationQuiesceFault{},
			"An error occurred while quiescing the virtual machine.", 0)
	} else {
		task = c.front.takeSnapshot(vm, &request)
	}
	if strings.HasPrefix(c.method.Name, "CreateSnapshotEx") {
		return c.reply(&types.CreateSnapshotEx_TaskResponse{Returnval: task})
	}
	return c.reply(&types.CreateSnapshot_TaskResponse{Returnval: task})
}

// Takes a snapshot, and freezes the disks: the VM's move on to an image above them.
func (f *front) takeSnapshot(vm *simulator.VirtualMachine, request *types.CreateSnapshot_Task) types.ManagedObjectReference {
	var task types.ManagedObjectReference
	simulator.Map.WithLock(vm, func() {
		res := vm.CreateSnapshotTask(request)
		task = reflect.ValueOf(res).Elem().FieldByName("Res").Elem().FieldByName("Returnval").
			Interface().(types.ManagedObjectReference)
	})
	done := simulator.Map.Get(task).(*simulator.Task)
	ref := done.Info.Result.(types.ManagedObjectReference)
	snapshot := simulator.Map.Get(ref).(*simulator.VirtualMachineSnapshot)

	f.mutex.Lock()
	defer f.mutex.Unlock()
	m := f.machineOf(vm.Self)
	tracked := vm.Config.ChangeTrackingEnabled != nil && *vm.Config.ChangeTrackingEnabled
	state := map[int32]frozen{}
	var frozenDevices, liveDevices []types.BaseVirtualDevice
	for _, device := range vm.Config.Hardware.Device {
		var d *disk
		var backing *types.VirtualDiskFlatVer2BackingInfo
		virtual, ok := device.(*types.VirtualDisk)
		if ok {
			d = m.disks[virtual.Key]
			backing, _ = virtual.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		}
		independent := backing != nil && strings.HasPrefix(backing.DiskMode, "independent")
		if d == nil || backing == nil || independent {
			if !independent {
				frozenDevices = append(frozenDevices, device)
			}
			liveDevices = append(liveDevices, device)
			continue
		}
		image := frozen{writes: len(d.writes), gen: d.gen, fileName: backing.FileName}
		// A disk has an id from the stun on that comes after tracking was enabled: this one is such, too.
		if tracked && backing.DiskMode == "persistent" {
			image.changeID = d.changeID()
		}
		d.gen++
		state[virtual.Key] = image

		old, below := *virtual, *backing
		below.ChangeId = image.changeID
		old.Backing = &below
		frozenDevices = append(frozenDevices, &old)

		now, above := *virtual, *backing
		if len(m.snapshots) == 0 {
			m.base[virtual.Key] = backing.FileName
		}
		above.FileName = nextImage(m.base[virtual.Key], len(m.snapshots)+1)
		above.Parent = &below
		now.Backing = &above
		liveDevices = append(liveDevices, &now)
	}
	config := *vm.Config
	config.Hardware.Device = frozenDevices
	snapshot.Config = config
	m.snapshots[ref.Value] = state
	if silent[m.id] {
		vm.GuestHeartbeatStatus = "red"
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: liveDevices}})
	return task
}

func nextImage(base string, n int) string {
	return fmt.Sprintf("%s-%06d.vmdk", strings.TrimSuffix(base, ".vmdk"), n)
}

func removeSnapshot(c *call) bool {
	snapshot, ok := simulator.Map.Get(c.method.This).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	vm := vmOf(snapshot.Vm.Value)
	answer := c.ask()
	if answer.Code == 200 {
		if err := c.front.forget(vm, c.method.This.Value); err != nil {
			return c.fault("RuntimeFault", err.Error())
		}
	}
	copyAnswer(c, answer)
	return true
}

// What follows the removal of a snapshot: with the last one the disks are whole files again.
func (f *front) forget(vm *simulator.VirtualMachine, id string) error {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	m := f.machineOf(vm.Self)
	delete(m.snapshots, id)
	if f.needs[m.id] {
		delete(f.needs, m.id)
		yes := true
		vm.Runtime.ConsolidationNeeded = &yes
		return nil
	}
	return f.mergeAll(vm, m)
}

func (f *front) mergeAll(vm *simulator.VirtualMachine, m *machine) error {
	if len(m.snapshots) > 0 {
		return nil
	}
	for _, d := range m.disks {
		if err := d.merge(); err != nil {
			return err
		}
	}
	for _, device := range virtualDisks(vm.Config.Hardware.Device) {
		if name, ok := m.base[device.Key]; ok {
			backing := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			backing.FileName, backing.Parent = name, nil
		}
	}
	m.base = map[int32]string{}
	return nil
}

func revert(c *call) bool {
	snapshot, ok := simulator.Map.Get(c.method.This).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	c.front.mutex.Lock()
	m := c.front.machines[snapshot.Vm.Value]
	// What was written after the snapshot is gone, and with it what tracking knew.
	for key, image := range m.snapshots[c.method.This.Value] {
		d := m.disks[key]
		d.writes = d.writes[:image.writes]
		d.family, d.gen, d.changes = newFamily(), 1, nil
	}
	c.front.mutex.Unlock()
	return false
}

func consolidate(c *call) bool {
	vm := vmOf(c.method.This.Value)
	if vm == nil {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	task := simulator.CreateTask(vm, "consolidateVMDisks", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		c.front.mutex.Lock()
		defer c.front.mutex.Unlock()
		no := false
		vm.Runtime.ConsolidationNeeded = &no
		if err := c.front.mergeAll(vm, c.front.machineOf(vm.Self)); err != nil {
			return nil, &types.RuntimeFault{}
		}
		return nil, nil
	})
	return c.reply(&types.ConsolidateVMDisks_TaskResponse{Returnval: task.Run()})
}

func cancelTask(c *call) bool {
	c.front.mutex.Lock()
	end := c.front.tasks[c.method.This.Value]
	delete(c.front.tasks, c.method.This.Value)
	c.front.mutex.Unlock()
	if end == nil {
		return c.fault("InvalidState", "The task is over.")
	}
	end()
	return c.reply(&types.CancelTaskResponse{})
}

// A task that fails with a fault, or one that runs until it is cancelled or some time is over, and then fails.
func (f *front) newTask(entity types.ManagedObjectReference, name string, reason types.BaseMethodFault,
	message string, after time.Duration) types.ManagedObjectReference {
	task := simulator.CreateTask(entity, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return nil, reason
	})
	ref := task.Run()
	simulator.Map.Update(task, []types.PropertyChange{
		{Name: "info.error", Val: &types.LocalizedMethodFault{Fault: reason, LocalizedMessage: message}}})
	if after > 0 {
		failure := task.Info.Error
		simulator.Map.Update(task, []types.PropertyChange{
			{Name: "info.state", Val: types.TaskInfoStateRunning}, {Name: "info.error", Val: nil},
			{Name: "info.cancelable", Val: true}, {Name: "info.progress", Val: int32(10)}})
		end := func(reason *types.LocalizedMethodFault) {
			simulator.Map.WithLock(task, func() {
				if task.Info.State == types.TaskInfoStateRunning {
					simulator.Map.Update(task, []types.PropertyChange{
						{Name: "info.state", Val: types.TaskInfoStateError}, {Name: "info.error", Val: reason}})
				}
			})
		}
		f.mutex.Lock()
		f.tasks[ref.Value] = func() {
			end(&types.LocalizedMethodFault{Fault: &types.RequestCanceled{}, LocalizedMessage: "The task was canceled."})
		}
		f.mutex.Unlock()
		time.AfterFunc(after, func() { end(failure) })
	}
	return ref
}
