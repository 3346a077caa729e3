using System.Security;
using System.Text.Json;
using System.Xml.Linq;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Tests.VSphere.Reading;
using Natalia.Backup.Hypervisors.VSphere;
using Natalia.Backup.Hypervisors.VSphere.Builds;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Hypervisors.VSphere.Inventory;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Builds;

/// <summary>
/// A simulated server of its own that VMs are built on. Making, starting and destroying VMs, uploads and folders are
/// govmomi's; guest operations and questions are our handler's model.
/// </summary>
internal sealed class VSphereBenchFixture : IBuilderFixture, ITestBenchFixture
{
    private readonly List<IHypervisor> _open = [];

    internal VSphereBenchFixture(bool isCenter = true, params string[] more) => Server = SimulatedVSphere.Start(
        [.. isCenter ? Array.Empty<string>() : ["-esx"], "-networks", "lan,elsewhere,nowhere=42,!office", .. more]);

    internal SimulatedVSphere Server { get; }

    /// <summary>The instance UUID of a VM whose configuration the server does not show, and which it does not find by
    /// that, as of one that is inaccessible; null for none.</summary>
    internal string? Inaccessible { get; set; }

    /// <summary>The first connection, without a login that is lent.</summary>
    internal IHypervisor Hypervisor => _open[0];

    public RestoreSource Source => PointImages.Create();

    public string OtherNetwork => "elsewhere";

    public string IsolatedNetwork => "nowhere";

    public IReadOnlyCollection<string> VMs =>
        [.. Server.Bench().Select(m => m.GetProperty("uuid").GetString()!)];

    public Task<IHypervisor> ConnectAsync(int? lifetime = null) => ConnectAsync(lifetime, null);

    /// <param name="onCall">What happens elsewhere before a method of the session is called.</param>
    internal Task<IHypervisor> ConnectAsync(Func<string, Task> onCall) => ConnectAsync(null, onCall);

    private async Task<IHypervisor> ConnectAsync(int? lifetime, Func<string, Task>? onCall)
    {
        VimService vim = await VimService.ConnectAsync(VSphereServers.Options(Server,
            clock: new SkippingClock()), default);
        var hypervisor = new VSphereHypervisor(new MortalVim(this, vim, lifetime, onCall));
        lock (_open) _open.Add(hypervisor);
        return new WithGuestCredential(hypervisor);
    }

    public IReadOnlyList<string> NetworksOf(string nativeId) =>
        [.. Find(nativeId).GetProperty("networks").EnumerateArray().Select(n => n.GetString()!)];

    public byte[] Read(string nativeId, string diskId)
    {
        JsonElement disk = Find(nativeId).GetProperty("disks").EnumerateArray().Single(d =>
            d.GetProperty("name").GetString()!.EndsWith($"/{diskId}.vmdk", StringComparison.Ordinal));
        byte[] flat = File.ReadAllBytes(disk.GetProperty("file").GetString()!);
        int length = PointImages.Disks[diskId].Length;
        Assert.Equal((length + 1023) / 1024 * 1024, flat.Length);
        Assert.Equal(-1, flat.AsSpan(length).IndexOfAnyExcept((byte)0));
        return flat[..length];
    }

    public async Task<bool> StartAsync(string nativeId)
    {
        await Hypervisor.Require<IPowerControl>("power").StartAsync(new ApplianceDescription
        {
            ApplianceId = MachineFinder.ApplianceIdOf(nativeId),
            Name = nativeId,
            HypervisorKind = MachineFinder.Kind,
            NativeId = nativeId,
        }, default);
        return true;
    }

    public void Replace(string nativeId) => Server.Bench("strip", nativeId, ("key", "natalia."));

    public bool IsRunning(string nativeId) => Find(nativeId).GetProperty("running").GetBoolean();

    public void MoveAdapter(string nativeId) => Server.Bench("move", nativeId, ("network", "lan"));

    public void TakeMark(string nativeId) => Server.Bench("strip", nativeId, ("key", "natalia.test"));

    public void SetGuest(string nativeId, bool answers, string output) =>
        Server.Bench("guest", nativeId, ("answers", answers ? "true" : "false"), ("output", output));

    /// <summary>The files of this machine with the bytes of a VM's disks.</summary>
    internal string[] FilesOf(string nativeId) => [.. Find(nativeId).GetProperty("disks").EnumerateArray()
        .Select(d => d.GetProperty("file").GetString()!)];

    /// <summary>A person attaches a disk that lies elsewhere.</summary>
    internal async Task AttachAsync(string nativeId, SimulatedVSphere.Disk disk)
    {
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(Server), default);
        VirtualMachine machine = (await new MachineFinder(vim).FindAsync(nativeId, default))!;
        int controller = (int)machine.Config.At("hardware").Members("device")
            .First(d => d.Member("sharedBus") is not null).Number("key")!;
        await new MachineTasks(vim).ReconfigureAsync(machine, default,
            MachineSpec.AddDisk(disk.Name, controller, 9, disk.Size));
    }

    internal string? Option(string nativeId, string key) =>
        Find(nativeId).GetProperty("options").TryGetProperty(key, out JsonElement value) ? value.GetString() : null;

    internal JsonElement Find(string nativeId) =>
        Server.Bench().Single(m => m.GetProperty("uuid").GetString() == nativeId);

    public ValueTask DisposeAsync()
    {
        lock (_open) foreach (IHypervisor one in _open) one.Dispose();
        Server.Dispose();
        return default;
    }

    internal static GuestCredential Guest(string password = "guest-s3cret")
    {
        var secret = new SecureString();
        foreach (char c in password) secret.AppendChar(c);
        return new GuestCredential("root", secret);
    }

    /// <summary>Lends the suite's commands a login, which no guest of VMware does without.</summary>
    private sealed class WithGuestCredential(VSphereHypervisor inner) : IHypervisor, IGuestChannel
    {
        public string Kind => inner.Kind;

        public string Location => inner.Location;

        public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) =>
            inner.GetAppliancesAsync(cancellationToken);

        public T? Find<T>() where T : class => typeof(T) == typeof(ITestBench) ? new BuilderTestBench(this) as T
            : typeof(T) == typeof(IGuestChannel) ? this as T : inner.Find<T>();

        public Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
            CancellationToken cancellationToken) =>
            inner.Find<IGuestChannel>()!.OpenAsync(nativeId, who ?? Guest(), timeout, cancellationToken);

        public void Dispose() => inner.Dispose();
    }

    /// <summary>A session that ends before one of its calls.</summary>
    private sealed class MortalVim(VSphereBenchFixture fixture, IVimService inner, int? lifetime,
        Func<string, Task>? onCall) : IVimService
    {
        private int _calls;

        public Uri BaseUri => inner.BaseUri;

        public bool IsVirtualCenter => inner.IsVirtualCenter;

        public XElement About => inner.About;

        public TimeProvider Clock => inner.Clock;

        public VimReference Singleton(string name) => inner.Singleton(name);

        public async Task<IReadOnlyList<XElement>> CallAsync(VimReference target, string method,
            IEnumerable<XElement?> arguments, CancellationToken cancellationToken)
        {
            Live();
            if (onCall is not null) await onCall(method);
            if (method == "FindByUuid" && fixture.Inaccessible is string hidden
                && arguments.Any(a => a?.Value == hidden))
                return [];
            return await inner.CallAsync(target, method, arguments, cancellationToken);
        }

        public Task<IReadOnlyList<VimObject>> GetPropertiesAsync(IEnumerable<VimReference> objects,
            IEnumerable<string> paths, CancellationToken cancellationToken)
        {
            Live();
            return inner.GetPropertiesAsync(objects, paths, cancellationToken);
        }

        public async Task<IReadOnlyList<VimObject>> FindAsync(VimReference? container, string type,
            IEnumerable<string> paths, CancellationToken cancellationToken)
        {
            Live();
            return [.. from o in await inner.FindAsync(container, type, paths, cancellationToken)
                select o.Text("config.instanceUuid") is string uuid && uuid == fixture.Inaccessible
                    ? o with
                    {
                        Properties = o.Properties.Where(p => p.Key == "name").ToDictionary(p => p.Key, p => p.Value),
                    }
                    : o];
        }

        public Task<XElement?> WaitTaskAsync(VimReference task, VimTaskOptions how,
            CancellationToken cancellationToken)
        {
            // The simulator's tasks are over before they are waited for: a death here is one before the next call.
            if (_calls > (lifetime ?? int.MaxValue)) throw new IOException("It died.");
            return inner.WaitTaskAsync(task, how, cancellationToken);
        }

        public Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> request,
            CancellationToken cancellationToken)
        {
            Live();
            return inner.SendAsync(request, cancellationToken);
        }

        public Task<IReadOnlyList<string>> TrustHostAsync(VimReference host, CancellationToken cancellationToken)
        {
            Live();
            return inner.TrustHostAsync(host, cancellationToken);
        }

        public IDisposable KeepAlive() => inner.KeepAlive();

        public void Dispose() => inner.Dispose();

        private void Live()
        {
            if (Interlocked.Increment(ref _calls) > (lifetime ?? int.MaxValue)) throw new IOException("It died.");
        }
    }
}
