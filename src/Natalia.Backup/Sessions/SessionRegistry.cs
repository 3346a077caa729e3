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
