package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

var memory = flag.Int("memory-mib", 0, "memory of each VM; 0 for what the simulator gives")

// What we keep of a VM. A disk's file is the state at its first snapshot; what is written while there are snapshots
// waits in memory and reaches the file when the last one goes. So the file under a snapshot is frozen, as a base is
// under its delta.
type machine struct {
	id        string
	disks     map[int32]*disk
	snapshots map[string]map[int32]frozen // by the id of the snapshot's managed object, then by the disk's key
	base      map[int32]string            // by key: the name of the file while there are snapshots
}

type disk struct {
	key      int32
	name     string // [datastore] folder/name.vmdk
	file     string // the flat file here
	capacity int64
	family   string // of changeIds; another one after a reset
	gen      int64
	changes  []change
	writes   []write
}

// Bytes that were written after the generation's snapshot.
type change struct {
	gen, offset, length int64
}

type write struct {
	offset int64
	data   []byte
}

// A disk in a snapshot: the file, and the first writes over it.
type frozen struct {
	writes   int
	gen      int64
	changeID string // empty when it is not tracked
	fileName string // of the frozen image
}

func newFamily() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return fmt.Sprintf("% x-% x", b[:8], b[8:])
}

func (d *disk) changeID() string { return fmt.Sprintf("%s/%d", d.family, d.gen) }

// Reads the disk as a snapshot has it, or as it is now with all writes.
func (d *disk) read(p []byte, offset int64, writes int) error {
	file, err := os.Open(d.file)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := file.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		return err
	}
	for i := n; i < len(p); i++ {
		p[i] = 0
	}
	for _, w := range d.writes[:writes] {
		from, to := max(w.offset, offset), min(w.offset+int64(len(w.data)), offset+int64(len(p)))
		if from < to {
			copy(p[from-offset:to-offset], w.data[from-w.offset:to-w.offset])
		}
	}
	return nil
}

// What a guest writes.
func (m *machine) write(d *disk, offset int64, data []byte) error {
	if offset < 0 || offset+int64(len(data)) > d.capacity {
		return fmt.Errorf("outside the disk")
	}
	d.changes = append(d.changes, change{d.gen, offset, int64(len(data))})
	if len(m.snapshots) > 0 {
		d.writes = append(d.writes, write{offset, data})
		return nil
	}
	return d.writeFile(offset, data)
}

func (d *disk) writeFile(offset int64, data []byte) error {
	file, err := os.OpenFile(d.file, os.O_WRONLY, 0600)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt(data, offset)
	return err
}

// Brings what waits into the file. Only when no snapshot is left.
func (d *disk) merge() error {
	for _, w := range d.writes {
		if err := d.writeFile(w.offset, w.data); err != nil {
			return err
		}
	}
	d.writes = nil
	return nil
}

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func virtualMachines() []*simulator.VirtualMachine {
	var found []*simulator.VirtualMachine
	for _, e := range simulator.Map.All("VirtualMachine") {
		found = append(found, e.(*simulator.VirtualMachine))
	}
	for i := range found {
		for j := i + 1; j < len(found); j++ {
			if found[j].Name < found[i].Name {
				found[i], found[j] = found[j], found[i]
			}
		}
	}
	return found
}

func virtualDisks(devices []types.BaseVirtualDevice) []*types.VirtualDisk {
	var found []*types.VirtualDisk
	for _, d := range devices {
		if disk, ok := d.(*types.VirtualDisk); ok {
			found = append(found, disk)
		}
	}
	return found
}

// The file of this machine that a datastore path names.
func localPath(ref *types.ManagedObjectReference, name string) string {
	var p object.DatastorePath
	p.FromString(name)
	ds := simulator.Map.Get(*ref).(*simulator.Datastore)
	return path.Join(ds.Info.GetDatastoreInfo().Url, p.Path)
}

// Gives the VMs names, sizes, tools, and the rest that the simulator leaves out.
func (f *front) prepare(name string, mib, extra int64) error {
	nameDatastores()
	addNetworks()
	offerGuestOperations()
	for i, vm := range virtualMachines() {
		if i == 0 {
			simulator.Map.Update(vm, []types.PropertyChange{{Name: "name", Val: name},
				{Name: "config.name", Val: name}, {Name: "summary.config.name", Val: name}})
		}
		if extra > 0 {
			if err := f.addDisk(vm); err != nil {
				return err
			}
		}
		yes := true
		vm.Capability.ChangeTrackingSupported = &yes
		vm.Config.Version = "vmx-19"
		vm.Guest.ToolsStatus = "toolsOk"
		vm.Guest.ToolsRunningStatus = "guestToolsRunning"
		vm.Guest.ToolsVersionStatus2 = "guestToolsUnmanaged"
		vm.GuestHeartbeatStatus = "green"
		if *memory > 0 {
			vm.Config.Hardware.MemoryMB = int32(*memory)
		}
		m := &machine{id: vm.Self.Value, disks: map[int32]*disk{}, snapshots: map[string]map[int32]frozen{},
			base: map[int32]string{}}
		f.machines[m.id] = m
		for n, device := range virtualDisks(vm.Config.Hardware.Device) {
			size := mib << 20
			if n > 0 {
				size = extra << 20
			}
			if err := m.adopt(device, size); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *front) addDisk(vm *simulator.VirtualMachine) error {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, f.service)
	if err != nil {
		return err
	}
	o := object.NewVirtualMachine(client, vm.Self)
	devices := object.VirtualDeviceList(vm.Config.Hardware.Device)
	controller, err := devices.FindDiskController("")
	if err != nil {
		return err
	}
	first := virtualDisks(devices)[0].Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	added := devices.CreateDisk(controller, *first.Datastore, strings.Replace(first.FileName, "disk1", "disk2", 1))
	added.CapacityInKB = 1024
	return o.AddDevice(ctx, added)
}

// Begins to keep a disk, and gives it its size.
func (m *machine) adopt(device *types.VirtualDisk, size int64) error {
	backing := device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	d := &disk{key: device.Key, name: backing.FileName, capacity: size, family: newFamily(), gen: 1}
	descriptor := localPath(backing.Datastore, backing.FileName)
	d.file = strings.TrimSuffix(descriptor, ".vmdk") + "-flat.vmdk"
	if size == 0 {
		size = device.CapacityInBytes
		if size == 0 {
			size = device.CapacityInKB * 1024
		}
		d.capacity = size
	}
	device.CapacityInBytes = size
	device.CapacityInKB = size / 1024
	if backing.Uuid == "" {
		backing.Uuid = uuidOf()
	}
	if backing.DiskMode == "" {
		backing.DiskMode = "persistent"
	}
	m.disks[d.key] = d
	if err := os.Truncate(d.file, size); err != nil {
		return err
	}
	// VMFS' own form: a text that names the file with the bytes.
	text := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=fffffffe\nparentCID=ffffffff\n"+
		"createType=\"vmfs\"\n\n# Extent description\nRW %d VMFS \"%s\"\n\n# The Disk Data Base\n#DDB\n\n"+
		"ddb.adapterType = \"lsilogic\"\nddb.virtualHWVersion = \"19\"\n", size/512, path.Base(d.file))
	return os.WriteFile(descriptor, []byte(text), 0600)
}

func uuidOf() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return fmt.Sprintf("6000C29%x-%x-%x-%x-%x", b[0]>>4, b[1:3], b[3:5], b[5:7], b[7:13])
}

// What a test needs to know.
func (f *front) describe() []map[string]interface{} {
	var all []map[string]interface{}
	for _, vm := range virtualMachines() {
		var disks []map[string]interface{}
		for _, device := range virtualDisks(vm.Config.Hardware.Device) {
			if d := f.machines[vm.Self.Value].disks[device.Key]; d != nil {
				disks = append(disks, map[string]interface{}{"key": d.key, "name": d.name, "file": d.file,
					"size": d.capacity})
			}
		}
		all = append(all, map[string]interface{}{"name": vm.Name, "id": vm.Self.Value,
			"uuid": vm.Config.InstanceUuid, "disks": disks})
	}
	return all
}

func (f *front) machineOf(ref types.ManagedObjectReference) *machine { return f.machines[ref.Value] }

func vmOf(id string) *simulator.VirtualMachine {
	vm, _ := simulator.Map.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: id}).(*simulator.VirtualMachine)
	return vm
}

// Lets a disk grow, as its tracking does not survive.
func (m *machine) adoptSize(device *types.VirtualDisk, size int64) error {
	d := m.disks[device.Key]
	d.capacity, d.family, d.gen, d.changes = size, newFamily(), 1, nil
	device.CapacityInBytes, device.CapacityInKB = size, size/1024
	return os.Truncate(d.file, size)
}
