using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Commands;

/// <summary>A cmdlet that asks hypervisors: those that <c>-Hypervisor</c> names, or all that are connected.</summary>
public abstract class HypervisorCommand : NataliaCommand
{
    private protected HypervisorCommand() { }

    /// <summary>
    /// The hypervisor: the session that <c>Connect-NataliaHypervisor</c> returned, or its name. Left out, every
    /// connected hypervisor is asked.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [HypervisorReference]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string[]? Hypervisor { get; set; }

    /// <summary>True when one was named. A property that is null binds as well, and names none.</summary>
    private protected bool NamesHypervisor => References.Clean(Hypervisor) is { Count: > 0 };

    /// <summary>The hypervisors to ask.</summary>
    /// <exception cref="Engine.NataliaException"><c>HypervisorNotConnected</c>.</exception>
    private protected IReadOnlyList<HypervisorConnection> HypervisorsToRead()
    {
        IReadOnlyList<HypervisorConnection> hypervisors = Registry.Hypervisors.ForReading(References.Clean(Hypervisor));
        if (!NamesHypervisor) DeferAway(Registry.Hypervisors);
        return hypervisors;
    }

    /// <summary>Those of the hypervisors to ask that can do something.</summary>
    /// <typeparam name="T">The capability.</typeparam>
    /// <param name="capability">What a user would call it, for the error.</param>
    /// <exception cref="Engine.NataliaException"><c>CapabilityMissing</c> when none can;
    /// <c>HypervisorNotConnected</c>.</exception>
    private protected IReadOnlyList<(HypervisorConnection Connection, T Able)> HypervisorsAbleTo<T>(string capability)
        where T : class
    {
        IReadOnlyList<HypervisorConnection> all = HypervisorsToRead();
        var able = new List<(HypervisorConnection, T)>();
        foreach (HypervisorConnection connection in all)
            if (connection.Hypervisor.Find<T>() is T one) able.Add((connection, one));
        if (able.Count == 0) all[0].Hypervisor.Require<T>(capability);
        return able;
    }
}
