package main

import (
	"github.com/vmware/govmomi/vim25/types"
)

func init() { methods["HasPrivilegeOnEntities"] = privileges }

func privileges(c *call) bool {
	request := c.method.Body.(*types.HasPrivilegeOnEntities)
	response := types.HasPrivilegeOnEntitiesResponse{}
	c.front.mutex.Lock()
	defer c.front.mutex.Unlock()
	for _, entity := range request.Entity {
		one := types.EntityPrivilege{Entity: entity}
		for _, id := range request.PrivId {
			one.PrivAvailability = append(one.PrivAvailability,
				types.PrivilegeAvailability{PrivId: id, IsGranted: !c.front.denied[id]})
		}
		response.Returnval = append(response.Returnval, one)
	}
	return c.reply(&response)
}
