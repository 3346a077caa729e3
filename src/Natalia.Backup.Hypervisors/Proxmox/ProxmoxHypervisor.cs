using System.Globalization;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Access;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Backups;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Jobs;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.Hypervisors.Proxmox.Restores;

namespace Natalia.Backup.Hypervisors.Proxmox;

/// <summary>
/// A Proxmox VE cluster. It moves the data itself (vzdump to its own storages); this class configures, starts, watches,
/// lists and restores. Any thread.
/// </summary>
public sealed class ProxmoxHypervisor : IHypervisor, IApplianceFinder
{
    /// <summary>The kind's name.</summary>
    public const string KindName = ProxmoxCluster.KindName;

    private const int ParallelReads = 12;
    private readonly ProxmoxCluster _cluster;
    private readonly ArchivedGuests _archived;
    private readonly object[] _services;

    private ProxmoxHypervisor(ProxmoxCluster cluster)
    {
        _cluster = cluster;
        var points = new StoredPoints(cluster);
        var leftOut = new LeftOutDisks(cluster);
        var agent = new GuestAgentService(cluster);
        var snapshots = new SnapshotService(cluster, agent);
        var jobs = new JobService(cluster, leftOut);
        var replication = new ReplicationService(cluster);
        var restore = new RestoreService(cluster, points, leftOut);
        var testBench = new TestBenchService(cluster, restore, agent);
        _archived = new ArchivedGuests(cluster, points);
        _services =
        [
            new KnownNames(cluster), new ProtectionService(cluster), snapshots, jobs, replication, restore, testBench,
            agent,
            new PrerequisiteService(cluster, agent, snapshots, jobs, replication, restore, testBench),
        ];
    }

    /// <summary>Connects, logs in, and learns which cluster it is.</summary>
    /// <param name="options">How.</param>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerNotTrusted</c>,
    /// <c>AuthenticationFailed</c>, <c>SecondFactorRequired</c>, <c>PermissionDenied</c>.</exception>
    public static async Task<ProxmoxHypervisor> ConnectAsync(ProxmoxConnectOptions options,
        CancellationToken cancellationToken)
    {
        if (options.Hosts.Count == 0)
            throw new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.InvalidArgument,
                "No host of a Proxmox VE cluster was given.", null, "Give at least one node's name or address.");
        List<ApiHost> hosts = [.. options.Hosts.Select(h => ApiHost.Parse(h, options.Port))];
        var trust = new CertificateTrust(options.CertificateThumbprints,
            options.AuthorityFile is null ? null : CertificateFile.Read(options.AuthorityFile));
        ApiCredential credential = ApiCredential.From(options.User, options.Secret, options.OneTimeCode);
        var client = new ApiClient(ApiFlavor.VirtualEnvironment, hosts, credential, trust, options.Clock,
            options.Trace);
        try
        {
            await client.ConnectAsync(cancellationToken).ConfigureAwait(false);
            JsonElement version = (await client.GetAsync(ApiPath.Of($"/version"),
                cancellationToken).ConfigureAwait(false)).Data;
            string identity = await ReadIdentityAsync(client, cancellationToken).ConfigureAwait(false);
            return new ProxmoxHypervisor(new ProxmoxCluster(client, identity, ParseVersion(version.Text("version"))));
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Kind => KindName;

    /// <inheritdoc/>
    public string Location => _cluster.Location;

    /// <summary>The version of the node that answered the connection: <c>9.2</c>.</summary>
    public string ServerVersion => _cluster.Version.ToString();

    /// <summary>The user or token.</summary>
    public string User => _cluster.Client.User;

    /// <summary>How many requests were sent since the connection was made.</summary>
    public long RequestCount => _cluster.Client.RequestCount;

    internal ProxmoxCluster Cluster => _cluster;

    /// <inheritdoc/>
    public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) =>
        FindAppliancesAsync(_ => true, cancellationToken);

    /// <summary>
    /// The wanted VMs, by number: one request for the overview and one for each wanted VM, several at a time. A VM
    /// whose node is down is shown as its newest restore point holds it, with a problem that says so: that is the VM
    /// for which a point is needed.
    /// </summary>
    /// <inheritdoc/>
    public async Task<ApplianceInventory> FindAppliancesAsync(Func<ApplianceLabel, bool> wanted,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<ClusterGuest> all =
            await _archived.NameAsync(await _cluster.GetVisibleGuestsAsync(cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);
        List<ClusterGuest> guests = all
            .Where(g => wanted(new ApplianceLabel(g.Name, _cluster.ApplianceIdOf(g.Vmid), g.Vmid)))
            .ToList();
        var found = new ApplianceDescription?[guests.Count];
        var problems = new NataliaException?[guests.Count];
        int next = -1;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAll(Enumerable.Range(0, Math.Min(ParallelReads, guests.Count))
            .Select(_ => ReadAsync())).ConfigureAwait(false);
        IReadOnlyList<NataliaException> silent = await DescribeSilentAsync(guests, found, problems,
            cancellationToken).ConfigureAwait(false);
        return new ApplianceInventory([.. found.OfType<ApplianceDescription>()],
            [.. problems.OfType<NataliaException>(), .. silent]);

        async Task ReadAsync()
        {
            for (int i; (i = Interlocked.Increment(ref next)) < guests.Count;)
            {
                ClusterGuest guest = guests[i];
                try
                {
                    // One node that is down, or one VM in trouble, hides none of the others. One that was destroyed
                    // since the overview is no longer there to be listed.
                    (GuestConfig? config, problems[i]) = await _cluster.TryGetConfigAsync(guest,
                        stop.Token).ConfigureAwait(false);
                    if (config is not null)
                        found[i] = GuestDescriber.Describe(_cluster.ApplianceIdOf(guest.Vmid), guest.Vmid, guest.Name,
                            config, guest);
                }
                catch
                {
                    stop.Cancel();
                    throw;
                }
            }
        }
    }

    /// <summary>
    /// Describes the VMs whose nodes do not answer from what their points hold, and tells of each such node once.
    /// </summary>
    private async Task<IReadOnlyList<NataliaException>> DescribeSilentAsync(List<ClusterGuest> guests,
        ApplianceDescription?[] found, NataliaException?[] problems, CancellationToken cancellationToken)
    {
        List<int> silent = [.. Enumerable.Range(0, guests.Count)
            .Where(i => problems[i] is ApiException { IsSilentNode: true })];
        if (silent.Count == 0) return [];
        IReadOnlyDictionary<string, ArchivedGuest> archived =
            await _archived.ReadAsync([.. silent.Select(i => guests[i].Vmid)],
            cancellationToken).ConfigureAwait(false);
        var told = new List<NataliaException>();
        foreach (IGrouping<string, int> node in silent.GroupBy(i => guests[i].Node))
        {
            NataliaException cause = problems[node.First()]!;
            var texts = new List<string>();
            foreach (int i in node)
            {
                ClusterGuest guest = guests[i];
                bool known = archived.TryGetValue(guest.Vmid, out ArchivedGuest? then);
                found[i] = GuestDescriber.DescribeSilent(_cluster.ApplianceIdOf(guest.Vmid), guest, then?.Config);
                problems[i] = null;
                texts.Add(known
                    ? $"'{found[i]!.Name}' ({guest.Vmid}) as its restore point of "
                        + $"{then!.Point.Point.TimeUtc:yyyy-MM-dd HH:mm:ss} UTC holds it"
                    : $"'{guest.Name}' ({guest.Vmid}) without disks and networks, for no restore point that can be "
                        + "read tells of them");
            }
            told.Add(new NataliaException(ErrorIds.ServerUnreachable, NataliaErrorKind.Connection,
                $"The node '{node.Key}' does not answer, and how its VMs are now is not known. Shown: "
                + $"{string.Join("; ", texts)}. {cause.Message}",
                node.Key,
                "Check that the node is up and reachable from the other nodes. Restore-NataliaAppliance builds a VM "
                + "from its newest point on another node.",
                cause));
        }
        return told;
    }

    /// <inheritdoc/>
    public T? Find<T>() where T : class => this as T ?? _services.OfType<T>().FirstOrDefault();

    /// <inheritdoc/>
    public void Dispose() => _cluster.Dispose();

    /// <summary>The kind and the hosts.</summary>
    public override string ToString() => $"{KindName} {Location}";

    /// <summary>
    /// The cluster's authority is made once and never changes with names or addresses. Every node has the same one.
    /// </summary>
    private static async Task<string> ReadIdentityAsync(ApiClient client, CancellationToken cancellationToken)
    {
        JsonElement nodes = (await client.GetAsync(ApiPath.Of($"/nodes"),
            cancellationToken).ConfigureAwait(false)).Data;
        ApiException? last = null;
        foreach (string node in nodes.Items().Where(n => n.Text("status") != "offline").Select(n => n.Text("node"))
            .OfType<string>())
        {
            try
            {
                JsonElement certificates = (await client.GetAsync(ApiPath.Of($"/nodes/{node}/certificates/info"),
                    cancellationToken).ConfigureAwait(false)).Data;
                string? fingerprint = certificates.Items().Where(c => c.Text("filename") == "pve-root-ca.pem")
                    .Select(c => c.Text("fingerprint")).FirstOrDefault();
                if (fingerprint is not null) return fingerprint.Replace(":", "").ToLowerInvariant();
            }
            catch (ApiException e) when (e.ErrorId is ErrorIds.ServerUnreachable or ErrorIds.ServerError)
            {
                // That node may be down; any other knows the same authority.
                last = e;
            }
        }
        throw new ApiException(ErrorIds.ServerAnswerInvalid, NataliaErrorKind.InvalidData,
            $"'{client.Location}' does not tell which cluster it is: no node shows the certificate of the cluster's "
            + "authority.",
            client.Location, null, last);
    }

    private static Version ParseVersion(string? text)
    {
        string[] parts = (text ?? "").Split('.', '-');
        return int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int major)
            ? new Version(major,
                parts.Length > 1
                && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int minor)
                    ? minor
                    : 0)
            : new Version(0, 0);
    }
}
