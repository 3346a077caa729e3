using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Sessions;

/// <summary>
/// The connections of one runspace. Never process-wide: several jobs may share a process, and none may see or close what belongs to another.
/// </summary>
internal sealed class SessionRegistry : IDisposable
{
    private static readonly ConditionalWeakTable<Runspace, SessionRegistry> Registries = new();

    internal SessionTable<HypervisorConnection> Hypervisors { get; } = new("hypervisor", "NataliaHypervisor", ErrorIds.HypervisorNotConnected, ErrorIds.HypervisorAmbiguous);

    internal SessionTable<RepositoryConnection> Repositories { get; } = new("repository", "NataliaRepository", ErrorIds.RepositoryNotConnected, ErrorIds.RepositoryAmbiguous);

    /// <summary>What earlier commands have shown, for completion.</summary>
    internal CompletionCache Completion { get; } = new();

    /// <summary>The registry of the runspace that the calling thread works for. Call it on a pipeline thread.</summary>
    /// <exception cref="InvalidOperationException">The thread has no runspace.</exception>
    internal static SessionRegistry ForCurrentRunspace() =>
        TryForCurrentRunspace() ?? throw new InvalidOperationException("This thread has no runspace.");

    /// <summary>The registry of the runspace that the calling thread works for, or null when it has none.</summary>
    internal static SessionRegistry? TryForCurrentRunspace()
    {
        Runspace? runspace = Runspace.DefaultRunspace;
        return runspace is null ? null : Registries.GetValue(runspace, Create);
    }

    /// <summary>Closes every connection of the calling thread's runspace.</summary>
    internal static void CloseCurrent()
    {
        if (Runspace.DefaultRunspace is Runspace runspace && Registries.TryGetValue(runspace, out SessionRegistry? registry)) registry.Dispose();
    }

    /// <summary>The repositories that a command reads points from: the one with the id, those named, or all of which the points can be read.</summary>
    /// <param name="references">Names or ids; null or empty for all.</param>
    /// <param name="repositoryId">The id that came with a piped object; counts when nothing was named.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotConnected</c>.</exception>
    internal IReadOnlyList<RepositoryConnection> RepositoriesWithPoints(IReadOnlyList<string>? references, string? repositoryId)
    {
        if (references is { Count: > 0 }) return Repositories.ForReading(references);
        if (!string.IsNullOrEmpty(repositoryId)) return Repositories.ForReading([repositoryId!]);
        IReadOnlyList<RepositoryConnection> all = Repositories.ForReading(null);
        List<RepositoryConnection> readable = [.. all.Where(c => !c.IsLimited)];
        // All opened without a password: the engine says what is missing, better than an empty list would.
        return readable.Count > 0 ? readable : all;
    }

    public void Dispose()
    {
        Repositories.RemoveAll();
        Hypervisors.RemoveAll();
        Completion.Clear();
    }

    private static SessionRegistry Create(Runspace runspace)
    {
        var registry = new SessionRegistry();
        runspace.StateChanged += (_, e) =>
        {
            if (e.RunspaceStateInfo.State is RunspaceState.Closed or RunspaceState.Broken) registry.Dispose();
        };
        return registry;
    }
}
