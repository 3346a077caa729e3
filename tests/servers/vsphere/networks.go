package main

import (
	"flag"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

var networkNames = flag.String("networks", "", "networks that every host has, on a switch without a way out; "+
	"one with ! in front is on a switch with a physical adapter, name=42 has a VLAN")

// Portgroups on standard switches: govmomi's own call for it tells neither hosts nor datacenters of them.
func addNetworks() {
	if *networkNames == "" {
		return
	}
	for _, name := range strings.Split(*networkNames, ",") {
		vlan := 0
		if parts := strings.SplitN(name, "=", 2); len(parts) == 2 {
			name = parts[0]
			vlan, _ = strconv.Atoi(parts[1])
		}
		vswitch := types.HostVirtualSwitch{Name: "vSwitch-" + name}
		if strings.HasPrefix(name, "!") {
			name = name[1:]
			vswitch = types.HostVirtualSwitch{Name: "vSwitch-" + name, Pnic: []string{"key-vim.host.PhysicalNic-vmnic1"}}
		}
		network := &mo.Network{}
		network.Self = types.ManagedObjectReference{Type: "Network", Value: "network-" + name}
		network.Name = name
		network.ManagedEntity.Name = name
		network.Summary = &types.NetworkSummary{Name: name, Accessible: true}
		ref := simulator.Map.Put(network).Reference()
		for _, e := range simulator.Map.All("Datacenter") {
			dc := e.(*simulator.Datacenter)
			dc.Network = append(dc.Network, ref)
			folder := simulator.Map.Get(dc.NetworkFolder).(*simulator.Folder)
			folder.ChildEntity = append(folder.ChildEntity, ref)
			network.Parent = &folder.Self
		}
		for _, e := range simulator.Map.All("HostSystem") {
			host := e.(*simulator.HostSystem)
			host.Network = append(append([]types.ManagedObjectReference{}, host.Network...), ref)
			config := *host.Config
			all := types.HostNetworkInfo{}
			if config.Network != nil {
				all = *config.Network
			}
			all.Vswitch = append(append([]types.HostVirtualSwitch{}, all.Vswitch...), vswitch)
			all.Portgroup = append(append([]types.HostPortGroup{}, all.Portgroup...), types.HostPortGroup{
				Key: "key-vim.host.PortGroup-" + name, Spec: types.HostPortGroupSpec{
					Name: name, VlanId: int32(vlan), VswitchName: vswitch.Name}})
			config.Network = &all
			host.Config = &config
		}
	}
}
