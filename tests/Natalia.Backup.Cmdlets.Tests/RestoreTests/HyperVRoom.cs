using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.HyperV.Wmi;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.ProxmoxSimulator;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.RestoreTests;

/// <summary>A simulated Hyper-V host with an appliance on it, a repository, and a runspace that knows both.</summary>
internal sealed class HyperVRoom : IDisposable
{
    private readonly EngineSession _session = new();
    private readonly RepositoryFixture _repository = new();
    private readonly TemporaryFolder _root = new();

    internal HyperVRoom(params byte[][] disks) : this(new JumpingClock(), disks) { }

    /// <param name="clock">The host's clock, and that of whoever waits for it.</param>
    /// <param name="disks">The disks of the appliance.</param>
    internal HyperVRoom(TimeProvider clock, params byte[][] disks)
    {
        Host = new SimHost("hv1", _root.Path, clock) { JobTime = TimeSpan.Zero, MergeTime = TimeSpan.Zero };
        Machine = new SimMachine("natalia-01");
        Machine.Adapters.Add(new SimAdapter { SwitchId = Host.AddSwitch("LAN"), Vlan = 12 });
        Host.AddSwitch("Nowhere", isInternal: true);
        Host.Machines.Add(Machine);
        for (int i = 0; i < disks.Length; i++) Host.NewDisk(Machine, i, disks[i]);
        Dialer = new SimDialer(Host, "Nowhere") { NeedsLogin = true };
        using (Repository made = _repository.CreateAsync(_repository.Store).GetAwaiter().GetResult()) { }
        Hypervisor = HyperVHypervisor.ConnectAsync("hv1",
            name => new HyperVHost(name, new SimGateway(Host), Host, clock), default, Dialer.Way)
            .GetAwaiter().GetResult();
        Run("param($h, $s) $null = Add-Fake $h -Name hv; $null = Add-Repository $s -Name nas", Hypervisor,
            _repository.Store);
    }

    internal SimHost Host { get; }

    internal SimMachine Machine { get; }

    internal SimDialer Dialer { get; }

    /// <summary>The connection to it.</summary>
    internal HyperVHypervisor Hypervisor { get; }

    internal EngineSession Session => _session;

    /// <summary>Runs a script that has to go well.</summary>
    internal EngineSession.Result Run(string script, params object[] arguments)
    {
        EngineSession.Result result = _session.Run(script, arguments);
        Assert.True(result.Errors.Count == 0, string.Join("\n", result.Errors));
        return result;
    }

    public void Dispose()
    {
        _session.Dispose();
        _repository.Dispose();
        _root.Dispose();
        Assert.Empty(Host.Violations);
    }
}
