using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>A directory of exported or switched-off VMs.</summary>
internal sealed record FolderHypervisorSettings : HypervisorSettings
{
    internal const string KindName = "Folder";

    /// <inheritdoc/>
    public override string Kind => KindName;

    /// <summary>The directory, a full path.</summary>
    public required string Path { get; init; }

    internal override HypervisorSettings From(string folder) => this with
    {
        Path = System.IO.Path.GetFullPath(System.IO.Path.Combine(folder, Path)),
    };

    internal override bool LeadsTo(HypervisorSettings other) =>
        other is FolderHypervisorSettings folder && folder.Path == Path;

    internal override Task<IHypervisor> OpenAsync(UserCredential? credential, CancellationToken cancellationToken) =>
        Task.FromResult<IHypervisor>(FolderHypervisor.Open(Path));

    /// <summary>Exports that lie on a NAS are lost with the NAS.</summary>
    internal override Task<IReadOnlyCollection<string>> FindMachinesAsync(CancellationToken cancellationToken) =>
        Task.Run<IReadOnlyCollection<string>>(
        () => Directory.Exists(Path) && FolderPlacement.Find(Path).HostName is string host ? [host] : [],
        cancellationToken);
}
