package main

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"syscall"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Changed block tracking, as documentation and other products' reports describe it: our model.

const block = 64 << 10

var areasPerAnswer = flag.Int("areas", 16, "areas in one answer of QueryChangedDiskAreas; real servers give 2000")

var datastoreType = flag.String("datastore-type", "VMFS", "what the datastores say that they are: VMFS, NFS, vsan")

func init() { methods["QueryChangedDiskAreas"] = queryAreas }

func nameDatastores() {
	for _, e := range simulator.Map.All("Datastore") {
		simulator.Map.Update(e.(*simulator.Datastore), []types.PropertyChange{{Name: "summary.type", Val: *datastoreType}})
	}
}

type area struct{ start, end int64 }

func queryAreas(c *call) bool {
	request := c.method.Body.(*types.QueryChangedDiskAreas)
	if request.Snapshot == nil {
		return c.fault("FileFault", "Error caused by file: the disk is in use.")
	}
	snapshot, ok := simulator.Map.Get(*request.Snapshot).(*simulator.VirtualMachineSnapshot)
	if !ok || snapshot.Vm != c.method.This {
		return c.fault("ManagedObjectNotFound", "The object has already been deleted.")
	}
	c.front.mutex.Lock()
	defer c.front.mutex.Unlock()
	m := c.front.machineOf(snapshot.Vm)
	image, ok := m.snapshots[request.Snapshot.Value][request.DeviceKey]
	d := m.disks[request.DeviceKey]
	if !ok || d == nil {
		return c.fault("InvalidArgument", "A specified parameter was not correct: deviceKey")
	}
	if request.StartOffset < 0 || request.StartOffset >= d.capacity {
		return c.fault("InvalidArgument", "A specified parameter was not correct: startOffset")
	}
	if image.changeID == "" {
		return c.fault("FileFault", "Error caused by file "+image.fileName)
	}
	var areas []area
	if request.ChangeId == "*" {
		areas = d.allocated(image.writes)
	} else {
		slash := strings.LastIndex(request.ChangeId, "/")
		var gen int64
		if _, err := fmt.Sscanf(request.ChangeId[slash+1:], "%d", &gen); slash < 0 || err != nil ||
			request.ChangeId[:slash] != d.family || gen > image.gen {
			return c.fault("FileFault", "Error caused by file "+image.fileName)
		}
		for _, one := range d.changes {
			if one.gen > gen && one.gen <= image.gen {
				areas = append(areas, area{one.offset, one.offset + one.length})
			}
		}
	}
	c.front.lie(d, &areas)
	return c.reply(&types.QueryChangedDiskAreasResponse{
		Returnval: c.front.part(inBlocks(areas, d.capacity), request.StartOffset, d.capacity)})
}

// Forgets what changed last, when a test wants a server that loses changes.
func (f *front) lie(d *disk, areas *[]area) {
	for _, p := range f.faults {
		if p.what == "QueryChangedDiskAreas" && p.when == "forget" && p.times > 0 && len(*areas) > 0 {
			p.times--
			*areas = (*areas)[:len(*areas)-1]
		}
	}
}

// The part of the truth that one answer holds; not the truth, when a test wants it odd.
func (f *front) part(areas []area, from, capacity int64) types.DiskChangeInfo {
	info := types.DiskChangeInfo{StartOffset: from, Length: capacity - from}
	for _, a := range areas {
		if a.end <= from {
			continue
		}
		start := max(a.start, from)
		if len(info.ChangedArea) == *areasPerAnswer {
			info.Length = start - from
			break
		}
		info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: start, Length: a.end - start})
	}
	for _, p := range f.faults {
		if p.what != "QueryChangedDiskAreas" || p.when != "answer" || p.times == 0 {
			continue
		}
		p.times--
		odd := types.DiskChangeExtent{Start: from, Length: block}
		switch p.name {
		case "overlap":
			info.ChangedArea = append([]types.DiskChangeExtent{{Start: from, Length: 2 * block},
				{Start: from + block, Length: block}}, info.ChangedArea...)
		case "unsorted":
			info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: from + 8*block, Length: block}, odd)
		case "zero":
			info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: capacity - 1})
		case "beyond":
			info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: capacity, Length: block})
		case "empty":
			info.Length = 0
		case "elsewhere":
			info.StartOffset++
		}
	}
	return info
}

// Areas in whole blocks, in order, apart from each other.
func inBlocks(areas []area, capacity int64) []area {
	sort.Slice(areas, func(i, j int) bool { return areas[i].start < areas[j].start })
	var merged []area
	for _, a := range areas {
		if a.end <= a.start {
			continue
		}
		start, end := a.start/block*block, min(capacity, (a.end+block-1)/block*block)
		if n := len(merged); n > 0 && start <= merged[n-1].end {
			merged[n-1].end = max(merged[n-1].end, end)
		} else {
			merged = append(merged, area{start, end})
		}
	}
	return merged
}

// What was ever written of the disk in a snapshot, as the file system here knows it.
func (d *disk) allocated(writes int) []area {
	var areas []area
	if file, err := os.Open(d.file); err == nil {
		defer file.Close()
		const seekData, seekHole = 3, 4
		for at := int64(0); at < d.capacity; {
			start, err := syscall.Seek(int(file.Fd()), at, seekData)
			if err != nil {
				break
			}
			end, err := syscall.Seek(int(file.Fd()), start, seekHole)
			if err != nil {
				end = d.capacity
			}
			areas = append(areas, area{start, end})
			at = end
		}
	}
	for _, w := range d.writes[:writes] {
		areas = append(areas, area{w.offset, w.offset + int64(len(w.data))})
	}
	return areas
}
