using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Mounts;

namespace Natalia.Backup.Operations.Connections;

/// <summary>
/// The connections that one user works with, each under its name: those of one runspace. Never process-wide: several
/// jobs may share a process, and none may see or close what belongs to another.
/// </summary>
internal sealed class SessionRegistry : IDisposable
{
    internal SessionTable<HypervisorConnection> Hypervisors { get; } = new("hypervisor", "NataliaHypervisor",
        ErrorIds.HypervisorNotConnected, ErrorIds.HypervisorAmbiguous);

    internal SessionTable<RepositoryConnection> Repositories { get; } = new("repository", "NataliaRepository",
        ErrorIds.RepositoryNotConnected, ErrorIds.RepositoryAmbiguous);

    /// <summary>
    /// How long a backup waits for the first sign of life of a repository that it does not write to; for what that
    /// says, twelve times as long.
    /// </summary>
    internal TimeSpan OthersLimit { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The disks of restore points that are served.</summary>
    internal MountTable Mounts { get; } = new();

    /// <summary>What earlier commands have shown, for completion.</summary>
    internal CompletionCache Completion { get; } = new();

    /// <summary>
    /// The repositories that a command reads points from: the one with the id, those named, or all of which the points
    /// can be read.
    /// </summary>
    /// <param name="references">Names or ids; null or empty for all.</param>
    /// <param name="repositoryId">The id that came with a piped object; counts when nothing was named.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotConnected</c>, <c>RepositoryAmbiguous</c>.</exception>
    internal IReadOnlyList<RepositoryConnection> RepositoriesWithPoints(IReadOnlyList<string>? references,
        string? repositoryId)
    {
        if (references is { Count: > 0 }) return Repositories.ForReading(references);
        if (!string.IsNullOrEmpty(repositoryId)) return Repositories.ForReading([repositoryId!]);
        IReadOnlyList<RepositoryConnection> all = Repositories.ForReading(null);
        List<RepositoryConnection> readable = [.. all.Where(c => !c.IsLimited)];
        // All opened without a password: the engine says what is missing, better than an empty list would.
        return readable.Count > 0 ? readable : all;
    }

    /// <summary>
    /// The repository for a VM: the one named, or the only one that can take it. A hypervisor that protects by itself
    /// does so into its own storages only, and nobody else's VMs go there.
    /// </summary>
    /// <param name="hypervisor">Where the VM is.</param>
    /// <param name="reference">What the user named, or null.</param>
    /// <param name="applianceName">The VM's name, for errors.</param>
    /// <exception cref="NataliaException"><c>CapabilityMissing</c>, <c>RepositoryNotConnected</c>,
    /// <c>RepositoryAmbiguous</c>.</exception>
    internal RepositoryConnection RepositoryFor(HypervisorConnection hypervisor, string? reference,
        string applianceName)
    {
        bool isNative = hypervisor.Hypervisor.Find<INativeProtection>() is not null;
        if (!string.IsNullOrEmpty(reference))
        {
            RepositoryConnection named = Repositories.Get(reference!);
            if (isNative && !named.Takes(hypervisor))
                throw NotNative(hypervisor, applianceName, $"the repository '{named.Name}' is not one of its storages");
            if (!isNative && named.Native is INativeRepository native)
                throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                    $"The repository '{named.Name}' is the storage '{native.Storage}' of a {native.Kind} hypervisor, "
                    + $"which takes its own VMs only, and '{applianceName}' is not one.",
                    named.Name,
                    "Name a repository of this product: one in a folder, on a share, or in a bucket.");
            return named;
        }
        List<RepositoryConnection> able = [.. Repositories.EachThat(r => r.Takes(hypervisor))];
        // With a part of the profile missing, the only one that is left need not be the one that was meant.
        List<AwayConnection> away = [.. Repositories.Away
            .Where(r => isNative
                ? string.Equals(r.Hypervisor, hypervisor.Name, StringComparison.OrdinalIgnoreCase)
                : r.Hypervisor is null)];
        if (able.Count == 1 && away.Count == 0) return able[0];
        if (able.Count == 0)
            return isNative
                ? throw NotNative(hypervisor, applianceName, "no storage of it is connected")
                : Repositories.ForWriting(null);
        throw new NataliaException(ErrorIds.RepositoryAmbiguous, NataliaErrorKind.InvalidOperation,
            $"Which repository takes '{applianceName}'? These are connected: "
            + $"{string.Join(", ", able.Select(r => $"'{r.Name}'"))}."
            + $"{SessionTable<RepositoryConnection>.Describe(away)}",
            applianceName,
            "Name one with -Repository. Backups take a VM that was enrolled with Set-NataliaAppliance -Repository "
                + "there without it.");
    }

    /// <summary>The repository that keeps evidence; null when it is not connected.</summary>
    /// <exception cref="NataliaException"><c>RepositoryAmbiguous</c>.</exception>
    internal RepositoryConnection? Find(EvidenceReference evidence) =>
        Repositories.Find(Repositories.Refer(evidence.Name, evidence.RepositoryId)!);

    /// <summary>The connected storages of a hypervisor, which work through its connection alone.</summary>
    internal IReadOnlyList<RepositoryConnection> StoragesOf(HypervisorConnection hypervisor) =>
        [.. Repositories.All.Where(r => r.Hypervisor == hypervisor)];

    /// <summary>
    /// Closes a hypervisor's connection and forgets its name, and those of its storages: without it they would answer
    /// nothing.
    /// </summary>
    internal void Remove(HypervisorConnection hypervisor)
    {
        foreach (RepositoryConnection storage in StoragesOf(hypervisor)) Repositories.Remove(storage);
        Hypervisors.Remove(hypervisor);
    }

    /// <summary>Closes a repository's connection and forgets its name, and ends what is served through it.</summary>
    /// <returns>What a person should know of what was lost, in sentences.</returns>
    internal IReadOnlyList<string> Remove(RepositoryConnection repository)
    {
        IReadOnlyList<string> losses = Mounts.RemoveOf(repository.Name);
        Repositories.Remove(repository);
        return losses;
    }

    private static NataliaException NotNative(HypervisorConnection hypervisor, string applianceName, string why) =>
        new(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
        $"The {hypervisor.Session.Kind} hypervisor '{hypervisor.Name}' moves the data of '{applianceName}' itself, "
        + $"into its own backup storages; {why}.",
        applianceName,
        "Connect one with Connect-NataliaRepository -ProxmoxStorage, and name it with -Repository.");

    /// <summary>Closes every connection.</summary>
    public void Dispose()
    {
        // They read through the repositories.
        Mounts.RemoveAll();
        Repositories.RemoveAll();
        Hypervisors.RemoveAll();
        Completion.Clear();
    }
}
