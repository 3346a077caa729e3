using System.Management.Automation.Runspaces;
using System.Runtime.CompilerServices;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Sessions;

/// <summary>The connections of each runspace; they are closed with it.</summary>
internal static class RunspaceSessions
{
    private static readonly ConditionalWeakTable<Runspace, SessionRegistry> s_registries = new();

    /// <summary>The registry of the runspace that the calling thread works for. Call it on a pipeline thread.</summary>
    /// <exception cref="InvalidOperationException">The thread has no runspace.</exception>
    internal static SessionRegistry ForCurrent() =>
        TryForCurrent() ?? throw new InvalidOperationException("This thread has no runspace.");

    /// <summary>The registry of the runspace that the calling thread works for, or null when it has none.</summary>
    internal static SessionRegistry? TryForCurrent() =>
        Runspace.DefaultRunspace is Runspace runspace ? s_registries.GetValue(runspace, Create) : null;

    /// <summary>Closes every connection of the calling thread's runspace.</summary>
    internal static void Close()
    {
        if (Runspace.DefaultRunspace is Runspace runspace
            && s_registries.TryGetValue(runspace, out SessionRegistry? registry))
            registry.Dispose();
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
