using System.Runtime.CompilerServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>
/// A connection to a memory hypervisor that builds VMs and switches them. It can die before any of its calls, as the
/// process that holds it would.
/// </summary>
public sealed class MemoryVMHost(MemoryInventory inventory) : IHypervisor, IApplianceBuilder, ITestVMControl,
    IGuestChannel, IPowerControl, ISshEndpoints
{
    private int _calls;

    /// <summary>How many calls it lives; then each fails, those of a clean-up too.</summary>
    public int Lifetime { get; init; } = int.MaxValue;

    public string Kind => "Memory";

    public string Location => "memory";

    /// <summary>Whether it tells where guests are reached over SSH.</summary>
    public bool HasSsh { get; init; }

    public T? Find<T>()
        where T : class => typeof(T) == typeof(ITestBench) ? new BuilderTestBench(this) as T
        : typeof(T) == typeof(ISshEndpoints) && !HasSsh ? null
        : this as T;

    public Task<SshEndpoint?> FindSshAsync(string nativeId, CancellationToken cancellationToken) =>
        Call<SshEndpoint?>(cancellationToken, () => new SshEndpoint("127.0.0.1", 22));

    public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) =>
        Call(cancellationToken, () => new ApplianceInventory([.. inventory.VMs.Select(v => Describe(v.Key, v.Value))]));

    public Task<IApplianceUnderConstruction> BeginAsync(ApplianceDescription like, BuildRequest how,
        CancellationToken cancellationToken) =>
        Call(cancellationToken, () =>
    {
        if (inventory.VMs.Values.Any(v => v.Name == how.Name))
            throw new NataliaException(ErrorIds.ApplianceNameInUse, NataliaErrorKind.AlreadyExists,
                $"A VM is called '{how.Name}' already.", how.Name);
        List<string> networks = [.. like.Networks
            .Select(
                n => how.Isolation?.Network ?? (how.Networks.TryGetValue(n.Name, out string? other) ? other : n.Name))];
        if (networks.Find(n => !inventory.Networks.Contains(n)) is string unknown)
            throw new NataliaException(ErrorIds.NetworkNotFound, NataliaErrorKind.NotFound,
                $"There is no network '{unknown}'.", unknown);
        var vm = new MemoryVM
        {
            Name = how.Name,
            Networks = networks,
            Building = (how.BuildId, DateTime.UnixEpoch),
            Test = how.Isolation is Isolation test ? (test.RunId, test.Network, DateTime.UnixEpoch) : null,
        };
        return (IApplianceUnderConstruction)new Construction(this, inventory.Add(vm), vm);
    });

    public Task<IReadOnlyList<UnfinishedAppliance>> FindUnfinishedAsync(CancellationToken cancellationToken) =>
        Call(cancellationToken, () =>
        PartialCollection.Of<UnfinishedAppliance>([.. from v in inventory.VMs where v.Value.Building is not null
            select new UnfinishedAppliance(v.Key, v.Value.Name, v.Value.Building!.Value.BuildId,
                v.Value.Building.Value.StartedUtc)], inventory.Unseen));

    public Task RemoveUnfinishedAsync(UnfinishedAppliance unfinished, CancellationToken cancellationToken) =>
        Call(cancellationToken, () =>
    {
        if (!inventory.VMs.TryGetValue(unfinished.NativeId, out MemoryVM? vm)) return false;
        if (vm.Building?.BuildId != unfinished.BuildId)
            throw new NataliaException(ErrorIds.NotAnUnfinishedAppliance, NataliaErrorKind.Security,
                $"The VM {unfinished.NativeId} is another.", unfinished.NativeId);
        if (vm.IsRunning && vm.Test is null)
            throw new NataliaException(ErrorIds.NotAnUnfinishedAppliance, NataliaErrorKind.Security,
                $"The VM {unfinished.NativeId} was left alone: it was started.", unfinished.NativeId);
        return inventory.VMs.Remove(unfinished.NativeId);
    });

    public Task StartAsync(ApplianceDescription appliance, CancellationToken cancellationToken) =>
        Call(cancellationToken, () => inventory.VMs[appliance.NativeId!].IsRunning = true);

    public Task<IReadOnlyList<TestVMInfo>> GetTestVMsAsync(CancellationToken cancellationToken) =>
        Call(cancellationToken, () =>
        PartialCollection.Of<TestVMInfo>([.. from v in inventory.VMs where v.Value.Test is not null
            let test = v.Value.Test!.Value
            select new TestVMInfo
            {
                NativeId = v.Key,
                Name = v.Value.Name,
                RunId = test.RunId,
                IsolatedNetwork = test.Network,
                CreatedUtc = test.CreatedUtc,
            }], inventory.Unseen));

    public Task<IReadOnlyList<CheckResult>> ReadIsolationAsync(TestVMInfo vm, CancellationToken cancellationToken) =>
        Call(cancellationToken, () =>
        (IReadOnlyList<CheckResult>)[.. inventory.VMs[vm.NativeId].Networks.Select(n => new CheckResult
        {
            Name = "NetworkIsolation", Target = vm.NativeId, Expected = vm.IsolatedNetwork, Actual = n,
            Result = n == vm.IsolatedNetwork ? CheckOutcome.Passed : CheckOutcome.Failed,
        })]);

    public Task StartTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken) =>
        Call(cancellationToken, () => inventory.VMs[vm.NativeId].IsRunning = true);

    public Task DestroyTestVMAsync(TestVMInfo vm, CancellationToken cancellationToken) => Call(cancellationToken, () =>
    {
        if (!inventory.VMs.TryGetValue(vm.NativeId, out MemoryVM? there)) return false;
        if (there.Test?.RunId != vm.RunId)
            throw new NataliaException(ErrorIds.NotATestAppliance, NataliaErrorKind.Security,
                $"The VM {vm.NativeId} carries no mark of the test.", vm.NativeId);
        return inventory.VMs.Remove(vm.NativeId);
    });

    public async Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        inventory.Login = who;
        if (inventory.OnOpen is not null) await inventory.OnOpen(timeout, cancellationToken);
        return await Call(cancellationToken, () =>
        {
            if (!inventory.GuestsAnswer || !inventory.VMs[nativeId].IsRunning)
                throw new NataliaException(ErrorIds.GuestNotReachable, NataliaErrorKind.Timeout,
                    $"The guest of VM {nativeId} does not answer.", nativeId);
            return (IGuest)new Guest(this);
        });
    }

    public void Dispose() { }

    private Task<T> Call<T>(CancellationToken cancellationToken, Func<T> deed, [CallerMemberName] string name = "")
    {
        if (cancellationToken.IsCancellationRequested) return Task.FromCanceled<T>(cancellationToken);
        if (_calls++ >= Lifetime) return Task.FromException<T>(new IOException("The process has died."));
        try
        {
            inventory.OnCall?.Invoke(name);
            return Task.FromResult(deed());
        }
        catch (NataliaException e)
        {
            return Task.FromException<T>(e);
        }
    }

    private ApplianceDescription Describe(string id, MemoryVM vm) => new()
    {
        ApplianceId = ApplianceIdentity.Create(Kind, Location, id),
        Name = vm.Name,
        HypervisorKind = Kind,
        NativeId = id,
        Networks = [.. vm.Networks.Select(n => new ApplianceNetwork(n))],
        Disks = [.. vm.Disks.Select(d => new ApplianceDisk(d.Key, DiskRole.Unknown, d.Value.Length))],
    };

    private sealed class Guest(MemoryVMHost host) : IGuest
    {
        public Task<GuestCommandResult> RunAsync(GuestCommand command, CancellationToken cancellationToken) =>
            host.OnRun is { } run ? RunAsync(run, command, cancellationToken)
            : host.Call(cancellationToken, () =>
        {
            (int code, string output) = host.Programs[string.Join(" ", command.Arguments)];
            return new GuestCommandResult(code, null, output, "", false, TimeSpan.Zero);
        });

        private async Task<GuestCommandResult> RunAsync(
            Func<GuestCommand, CancellationToken, Task<GuestCommandResult>> run, GuestCommand command,
            CancellationToken cancellationToken)
        {
            await host.Call(cancellationToken, () => true);
            return await run(command, cancellationToken);
        }

        public ValueTask DisposeAsync()
        {
            host.OnClose?.Invoke();
            return default;
        }
    }

    private Action? OnClose => inventory.OnClose;

    private Func<GuestCommand, CancellationToken, Task<GuestCommandResult>>? OnRun => inventory.OnRun;

    private Dictionary<string, (int ExitCode, string Output)> Programs => inventory.Programs;

    private sealed class Construction(MemoryVMHost host, string id, MemoryVM vm) : IApplianceUnderConstruction
    {
        private readonly List<Target> _targets = [];
        private bool _isCompleted;

        public string NativeId => id;

        public IDiskTarget GetDisk(string diskId, long sizeBytes)
        {
            var target = new Target(host, diskId, new byte[sizeBytes]);
            _targets.Add(target);
            return target;
        }

        public async Task<ApplianceDescription> CompleteAsync(CancellationToken cancellationToken)
        {
            await host.Call(cancellationToken, () =>
            {
                Assert(_targets.TrueForAll(t => t.IsCompleted), "A disk was not written to its end.");
                foreach (Target target in _targets) vm.Disks[target.DiskId] = target.Bytes;
                return true;
            });
            return await host.Call(cancellationToken, () =>
            {
                vm.Building = null;
                _isCompleted = true;
                return host.Describe(id, vm);
            });
        }

        public async ValueTask DisposeAsync()
        {
            if (!_isCompleted)
                await host.RemoveUnfinishedAsync(new UnfinishedAppliance(id, vm.Name, vm.Building!.Value.BuildId,
                    default),
                    CancellationToken.None);
        }

        private static void Assert(bool isTrue, string otherwise)
        {
            if (!isTrue) throw new InvalidOperationException(otherwise);
        }
    }

    private sealed class Target(MemoryVMHost host, string diskId, byte[] bytes) : IDiskTarget
    {
        public string DiskId => diskId;

        public byte[] Bytes => bytes;

        public bool IsCompleted { get; private set; }

        public bool AcceptsAnyOrder => true;

        public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken) =>
            host.Call(cancellationToken, () => sizeBytes);

        public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data,
            CancellationToken cancellationToken) =>
            await host.Call(cancellationToken, () => data.TryCopyTo(bytes.AsMemory((int)offset)));

        public Task CompleteAsync(CancellationToken cancellationToken) =>
            host.Call(cancellationToken, () => IsCompleted = true);

        public void Dispose() { }
    }
}
