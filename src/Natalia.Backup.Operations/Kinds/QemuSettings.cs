using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Qemu;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>VMs of plain QEMU on this machine.</summary>
internal sealed record QemuSettings : HypervisorSettings
{
    /// <inheritdoc/>
    public override string Kind => QemuHypervisor.KindName;

    /// <summary>The directory with one folder per VM, a full path.</summary>
    public required string Path { get; init; }

    internal override HypervisorSettings From(string folder) => this with
    {
        Path = System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, Path)),
    };

    internal override bool LeadsTo(HypervisorSettings other) => other is QemuSettings qemu && qemu.Path == Path;

    internal override Task<IHypervisor> OpenAsync(UserCredential? credential, CancellationToken cancellationToken) =>
        Task.FromResult<IHypervisor>(QemuHypervisor.Open(Path));

    /// <summary>VMs whose disks lie on a NAS are lost with the NAS.</summary>
    internal override Task<IReadOnlyCollection<string>> FindMachinesAsync(CancellationToken cancellationToken) =>
        Task.Run<IReadOnlyCollection<string>>(
        () => Directory.Exists(Path) && FolderPlacement.Find(Path).HostName is string host ? [host] : [],
        cancellationToken);
}
