using System.Xml.Linq;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Builds;

/// <summary>Where a VM is made, all of it found before anything is.</summary>
/// <param name="Datacenter">The datacenter.</param>
/// <param name="DatacenterPath">Its path as addresses of files name it; null on one host.</param>
/// <param name="Folder">The folder that VMs are listed in.</param>
/// <param name="Host">The host.</param>
/// <param name="Pool">The resource pool.</param>
/// <param name="Datastore">The datastore's name.</param>
/// <param name="Adapters">For each adapter the backing that connects it, in the form of a device's member.</param>
internal sealed record Site(VimReference Datacenter, string? DatacenterPath, VimReference Folder, VimReference Host,
    VimReference Pool, string Datastore, IReadOnlyList<Func<XElement>> Adapters);
