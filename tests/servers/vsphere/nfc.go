package main

import (
	"flag"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// Exports of snapshots by NFC leases, with real stream-optimised images. Our model: govmomi of this age has none.

var leaseSeconds = flag.Int("lease", 300, "after how many seconds without progress a lease ends")

func init() {
	methods["ExportSnapshot"] = exportSnapshot
	methods["HttpNfcLeaseProgress"] = leaseProgress
	methods["HttpNfcLeaseComplete"] = leaseEnd
	methods["HttpNfcLeaseAbort"] = leaseEnd
	paths["/nfc/"] = serveNfc
}

type lease struct {
	mo.HttpNfcLease

	vm       types.ManagedObjectReference
	disks    map[string]*disk // by the last part of the address
	images   map[string]frozen
	lastTold time.Time
}

func exportSnapshot(c *call) bool {
	snapshot, ok := simulator.Map.Get(c.method.This).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	c.front.mutex.Lock()
	m := c.front.machineOf(snapshot.Vm)
	if c.front.denied["VApp.Export"] {
		c.front.mutex.Unlock()
		return c.fault("NoPermission", "Permission to perform this operation was denied.")
	}
	state := m.snapshots[c.method.This.Value]
	one := &lease{vm: snapshot.Vm, disks: map[string]*disk{}, images: map[string]frozen{}, lastTold: time.Now()}
	var urls []types.HttpNfcLeaseDeviceUrl
	number := 0
	for _, device := range virtualDisks(snapshot.Config.Hardware.Device) {
		d := m.disks[device.Key]
		if d == nil {
			continue
		}
		name := fmt.Sprintf("disk-%d.vmdk", number)
		number++
		one.disks[name], one.images[name] = d, state[device.Key]
		unit := int32(0)
		if device.UnitNumber != nil {
			unit = *device.UnitNumber
		}
		yes := true
		key := fmt.Sprintf("/%s/%s:%d", snapshot.Vm.Value, controllerOf(snapshot.Config.Hardware.Device, device.ControllerKey), unit)
		urls = append(urls, types.HttpNfcLeaseDeviceUrl{Key: key, ImportKey: key, Disk: &yes, TargetId: name,
			FileSize: d.capacity, Url: "https://*/nfc/%LEASE%/" + name})
	}
	c.front.mutex.Unlock()
	one.State = types.HttpNfcLeaseStateReady
	one.Info = &types.HttpNfcLeaseInfo{Entity: snapshot.Vm, LeaseTimeout: int32(*leaseSeconds)}
	one.Self = types.ManagedObjectReference{Type: "HttpNfcLease", Value: "lease-" + uuidOf()}
	ref := simulator.Map.Put(one).Reference()
	for i := range urls {
		urls[i].Url = strings.Replace(urls[i].Url, "%LEASE%", ref.Value, 1)
	}
	one.Info.Lease = ref
	one.Info.DeviceUrl = urls
	return c.reply(&types.ExportSnapshotResponse{Returnval: ref})
}

// The part of a device's name that tells its controller: ParaVirtualSCSIController0.
func controllerOf(devices []types.BaseVirtualDevice, key int32) string {
	for _, d := range devices {
		if d.GetVirtualDevice().Key != key {
			continue
		}
		kind := strings.TrimPrefix(fmt.Sprintf("%T", d), "*types.")
		if c, ok := d.(types.BaseVirtualController); ok {
			return fmt.Sprintf("%s%d", kind, c.GetVirtualController().BusNumber)
		}
	}
	return "VirtualSCSIController0"
}

func leaseOf(f *front, ref types.ManagedObjectReference) *lease {
	found, _ := simulator.Map.Get(ref).(*lease)
	if found == nil {
		return nil
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if found.State == types.HttpNfcLeaseStateReady &&
		time.Since(found.lastTold) > time.Duration(*leaseSeconds)*time.Second {
		found.State = types.HttpNfcLeaseStateError
	}
	return found
}

func leaseProgress(c *call) bool {
	one := leaseOf(c.front, c.method.This)
	if one == nil {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	c.front.mutex.Lock()
	defer c.front.mutex.Unlock()
	if one.State != types.HttpNfcLeaseStateReady {
		return c.fault("Timedout", "The lease has ended.")
	}
	one.lastTold = time.Now()
	one.TransferProgress = c.method.Body.(*types.HttpNfcLeaseProgress).Percent
	return c.reply(&types.HttpNfcLeaseProgressResponse{})
}

func leaseEnd(c *call) bool {
	one := leaseOf(c.front, c.method.This)
	if one == nil {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	simulator.Map.Remove(c.method.This)
	if c.method.Name == "HttpNfcLeaseAbort" {
		return c.reply(&types.HttpNfcLeaseAbortResponse{})
	}
	if one.State != types.HttpNfcLeaseStateReady {
		return c.fault("Timedout", "The lease has ended.")
	}
	return c.reply(&types.HttpNfcLeaseCompleteResponse{})
}

// Whoever has the address may fetch: it is the ticket.
func serveNfc(f *front, w http.ResponseWriter, r *http.Request) {
	id, name := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
	ref := types.ManagedObjectReference{Type: "HttpNfcLease", Value: id}
	one := leaseOf(f, ref)
	if one == nil || one.State != types.HttpNfcLeaseStateReady || one.disks[name] == nil || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	grains := 0
	err := writeStream(w, one.disks[name], one.images[name].writes, func() error {
		grains++
		if p := f.planned("GET /nfc/", "middle"); p != nil {
			f.mutex.Lock()
			one.State = types.HttpNfcLeaseStateError
			f.mutex.Unlock()
		}
		if now := leaseOf(f, ref); now == nil || now.State != types.HttpNfcLeaseStateReady {
			return fmt.Errorf("the lease has ended")
		}
		return nil
	})
	if err != nil {
		// The connection ends where the image does not.
		panic(http.ErrAbortHandler)
	}
}
