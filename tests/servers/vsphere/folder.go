package main

import (
	"net/http"
	"os"
	"path"
	"strings"

	"github.com/vmware/govmomi/simulator"
)

// Files of datastores: govmomi serves them, ranges included. Ours is who may read what, and what is held by a VM.

func init() { paths["/folder/"] = serveFolder }

func serveFolder(f *front, w http.ResponseWriter, r *http.Request) {
	user, password, basic := r.BasicAuth()
	if !f.authenticated(r) && !(basic && user == f.user && password == f.password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	f.mutex.Lock()
	denied := f.denied["Datastore.FileManagement"]
	f.mutex.Unlock()
	if denied {
		http.Error(w, "Forbidden", http.StatusForbidden)
		return
	}
	name := "[" + r.URL.Query().Get("dsName") + "] " + strings.TrimPrefix(r.URL.Path, "/folder/")
	if f.isHeld(name) {
		http.Error(w, "Failed to lock the file (16392).", http.StatusInternalServerError)
		return
	}
	if *datastoreType != "VMFS" && *datastoreType != "NFS" && strings.HasSuffix(name, "-flat.vmdk") {
		// vSAN and vVol keep a disk as objects; what is there as a file only describes it.
		http.NotFound(w, r)
		return
	}
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		// A host does not make folders by itself, as far as is known.
		if local := f.localOf(name); local != "" {
			if _, err := os.Stat(path.Dir(local)); err != nil {
				http.NotFound(w, r)
				return
			}
		}
	}
	if p := f.planned("GET /folder/", "whole"); p != nil {
		// A server, or a proxy before it, that does not do ranges.
		r.Header.Del("Range")
	}
	f.next.ServeHTTP(w, r)
}

func (f *front) localOf(name string) string {
	for _, e := range simulator.Map.All("Datastore") {
		ds := e.(*simulator.Datastore)
		prefix := "[" + ds.Name + "] "
		if strings.HasPrefix(name, prefix) {
			return path.Join(ds.Info.GetDatastoreInfo().Url, strings.TrimPrefix(name, prefix))
		}
	}
	return ""
}

// Whether a VM that runs writes the file: the disk itself without a snapshot, and the newest image with one.
func (f *front) isHeld(name string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	for id, m := range f.machines {
		vm := vmOf(id)
		if vm == nil || vm.Runtime.PowerState != "poweredOn" {
			continue
		}
		for _, d := range m.disks {
			flat := strings.TrimSuffix(d.name, ".vmdk") + "-flat.vmdk"
			if name == flat && len(m.snapshots) == 0 {
				return true
			}
			if len(m.snapshots) > 0 && strings.HasPrefix(name, strings.TrimSuffix(d.name, ".vmdk")+"-0") {
				return true
			}
		}
	}
	return false
}
