using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Access;
using Natalia.Backup.Hypervisors.Proxmox.Rest;

namespace Natalia.Backup.Hypervisors.Proxmox.BackupServer;

/// <summary>
/// Reads from a Proxmox Backup Server what proves that its datastores are looked after: prune, verify and garbage
/// collection runs, the age of verifications, the S3 store behind it. It changes nothing there. Any thread.
/// </summary>
public sealed class BackupServerEvidence : IDisposable
{
    private readonly ApiClient _client;

    private BackupServerEvidence(ApiClient client, string version) => (_client, ServerVersion) = (client, version);

    /// <summary>The hosts, without secrets.</summary>
    public string Location => _client.Location;

    /// <summary>The server's version.</summary>
    public string ServerVersion { get; }

    /// <summary>How many requests were sent since the connection was made.</summary>
    public long RequestCount => _client.RequestCount;

    /// <summary>Connects and logs in.</summary>
    /// <param name="options">How; the usual port of a backup server is 8007.</param>
    /// <exception cref="NataliaException"><c>ServerUnreachable</c>, <c>ServerNotTrusted</c>,
    /// <c>AuthenticationFailed</c>, <c>SecondFactorRequired</c>.</exception>
    public static async Task<BackupServerEvidence> ConnectAsync(ProxmoxConnectOptions options,
        CancellationToken cancellationToken)
    {
        List<ApiHost> hosts = [.. options.Hosts.Select(h => ApiHost.Parse(h, options.Port))];
        var trust = new CertificateTrust(options.CertificateThumbprints,
            options.AuthorityFile is null ? null : CertificateFile.Read(options.AuthorityFile));
        var client = new ApiClient(ApiFlavor.BackupServer, hosts,
            ApiCredential.From(options.User, options.Secret, options.OneTimeCode), trust, options.Clock, options.Trace);
        try
        {
            await client.ConnectAsync(cancellationToken).ConfigureAwait(false);
            JsonElement version = (await client.GetAsync(ApiPath.Of($"/version"),
                cancellationToken).ConfigureAwait(false)).Data;
            return new BackupServerEvidence(client, version.Text("version") ?? "unknown");
        }
        catch
        {
            client.Dispose();
            throw;
        }
    }

    /// <summary>What is known of a datastore, each a check: nothing known is NotEvidenced, never Passed.</summary>
    /// <param name="datastore">The datastore's name on the server.</param>
    /// <param name="maximumAge">How old the last good run of a job, and the verification of a point, may be.</param>
    /// <exception cref="NataliaException"><c>StorageNotFound</c>, <c>PermissionDenied</c>.</exception>
    public async Task<IReadOnlyList<CheckResult>> ReadAsync(string datastore, TimeSpan maximumAge,
        CancellationToken cancellationToken)
    {
        JsonElement stores = (await _client.GetAsync(ApiPath.Of($"/admin/datastore"),
            cancellationToken).ConfigureAwait(false)).Data;
        JsonElement store = stores.Items().Where(s => s.Text("store") == datastore).Select(s => (JsonElement?)s)
            .FirstOrDefault()
            ?? throw new NataliaException(ErrorIds.StorageNotFound, NataliaErrorKind.NotFound,
                $"'{Location}' has no datastore '{datastore}', or '{_client.User}' may not see it. It shows: "
                + $"{string.Join(", ", stores.Items().Select(s => s.Text("store")))}.",
                datastore, $"To be seen, it needs the right Datastore.Audit on /datastore/{datastore}.");
        var checks = new List<CheckResult>();
        var query = new ApiArguments { { "store", datastore } };
        Add("Maintenance", datastore, store.Text("maintenance") is null ? CheckOutcome.Passed : CheckOutcome.Warning,
            "none", store.Text("maintenance") ?? "none");
        AddJobs("PruneJob",
            (await _client.GetAsync(ApiPath.Of($"/admin/prune"), query, cancellationToken).ConfigureAwait(false)).Data,
            "No prune job: points are removed by others, or not at all.");
        AddJobs("VerifyJob",
            (await _client.GetAsync(ApiPath.Of($"/admin/verify"), query, cancellationToken).ConfigureAwait(false)).Data,
            "No verify job: damage would be found at a restore.");
        AddGarbageCollection(
            (await _client.GetAsync(ApiPath.Of($"/admin/datastore/{datastore}/gc"), cancellationToken,
                new RequiredRight("Datastore.Audit", $"/datastore/{datastore}")).ConfigureAwait(false)).Data);
        AddVerifications(
            (await _client.GetAsync(ApiPath.Of($"/admin/datastore/{datastore}/snapshots"), cancellationToken,
                new RequiredRight("Datastore.Audit", $"/datastore/{datastore}")).ConfigureAwait(false)).Data);
        await AddBackendAsync().ConfigureAwait(false);
        return checks;

        void Add(string name, string target, CheckOutcome result, string? expected = null, string? actual = null,
            string? detail = null, string? tolerance = null) =>
            checks.Add(new CheckResult
            {
                Name = name,
                Target = target,
                Result = result,
                Expected = expected,
                Actual = actual,
                Detail = detail,
                Tolerance = tolerance,
                RepositoryId = Identify(datastore),
            });

        void AddJobs(string name, JsonElement jobs, string none)
        {
            var mine = jobs.Items().Where(j => j.Text("store") == datastore).ToList();
            if (mine.Count == 0) Add(name, datastore, CheckOutcome.NotEvidenced, "a job", "none", none);
            foreach (JsonElement job in mine)
            {
                string id = job.Text("id") ?? datastore;
                string? state = job.Text("last-run-state");
                DateTime? end = job.Time("last-run-endtime");
                AddRun(name, id, state, end, job.Flag("disable") == true);
            }
        }

        void AddRun(string name, string target, string? state, DateTime? end, bool disabled)
        {
            string limit = $"{maximumAge.TotalDays.ToString("0.#", CultureInfo.InvariantCulture)} days";
            if (disabled) Add(name, target, CheckOutcome.Warning, "runs", "disabled");
            else if (end is null) Add(name, target, CheckOutcome.NotEvidenced, "runs", "never ran");
            else if (state is not null && state != "OK"
                && !state.StartsWith("WARNING", StringComparison.OrdinalIgnoreCase))
                Add(name, target, CheckOutcome.Failed, "OK", state,
                    $"The run that ended {end:yyyy-MM-dd HH:mm:ss} UTC failed.");
            else
            {
                TimeSpan age = _client.Clock.UtcNow() - end.Value;
                Add(name, target, age <= maximumAge ? CheckOutcome.Passed : CheckOutcome.Warning, "OK",
                    $"{state ?? "ended"}, {age.TotalDays.ToString("0.#", CultureInfo.InvariantCulture)} days ago", null,
                    limit);
            }
        }

        void AddGarbageCollection(JsonElement gc) =>
            AddRun("GarbageCollection", datastore, gc.Text("last-run-state"), gc.Time("last-run-endtime"), false);

        void AddVerifications(JsonElement snapshots)
        {
            var all = snapshots.Items().ToList();
            var failed = all.Where(s => s.Member("verification")?.Text("state") == "failed").ToList();
            var ages = all
                .Select(s =>
                    Upid.TryParse(s.Member("verification")?.Text("upid"), out Upid u)
                    && s.Member("verification")?.Text("state") == "ok"
                    ? _client.Clock.UtcNow() - u.StartUtc
                    : (TimeSpan?)null)
                .ToList();
            int young = ages.Count(a => a <= maximumAge);
            // One that has no size is not finished.
            int unfinished = all.Count(s => s.Member("size") is null);
            foreach (JsonElement bad in failed)
                Add("Verification",
                    $"{bad.Text("backup-type")}/{bad.Text("backup-id")}/"
                    + $"{bad.Time("backup-time"):yyyy-MM-dd'T'HH:mm:ss'Z'}",
                    CheckOutcome.Failed, "ok", "failed",
                    "The verification found damage. Make a new backup, which reads the damaged parts again.");
            string actual = $"{young} of {all.Count - unfinished} verified";
            Add("VerificationCoverage", datastore,
                all.Count - unfinished == 0
                    ? CheckOutcome.NotEvidenced
                    : young == all.Count - unfinished ? CheckOutcome.Passed : CheckOutcome.Warning,
                "all verified", actual, null,
                $"{maximumAge.TotalDays.ToString("0.#", CultureInfo.InvariantCulture)} days");
            if (unfinished > 0)
                Add("UnfinishedPoint", datastore, CheckOutcome.Warning, "none",
                    unfinished.ToString(CultureInfo.InvariantCulture), "A backup is on its way, or was broken off.");
        }

        async Task AddBackendAsync()
        {
            if (store.Text("backend-type") != "s3") return;
            JsonElement config = (await _client.GetAsync(ApiPath.Of($"/config/datastore/{datastore}"),
                cancellationToken,
                new RequiredRight("Datastore.Audit", $"/datastore/{datastore}")).ConfigureAwait(false)).Data;
            PropertyString backend = PropertyString.Parse(config.Text("backend") ?? "");
            if (backend["client"] is not string client || backend["bucket"] is not string bucket)
            {
                Add("S3Store", datastore, CheckOutcome.NotEvidenced, "reachable", null,
                    "The datastore's configuration does not name its S3 client and bucket.");
                return;
            }
            try
            {
                // A test of access: the server lists and looks; what it tests is its own.
                await _client.PutAsync(ApiPath.Of($"/admin/s3/{client}/check"),
                    new ApiArguments { { "bucket", bucket }, { "store-prefix", datastore } }, cancellationToken,
                    new RequiredRight("Sys.Modify", "/")).ConfigureAwait(false);
                Add("S3Store", $"{client}/{bucket}", CheckOutcome.Passed, "reachable", "reachable");
            }
            catch (ApiException e) when (e.ErrorId == ErrorIds.PermissionDenied)
            {
                Add("S3Store", $"{client}/{bucket}", CheckOutcome.NotEvidenced, "reachable", "may not be asked",
                    e.Message);
            }
            catch (ApiException e) when (e.Status != 0)
            {
                Add("S3Store", $"{client}/{bucket}", CheckOutcome.Failed, "reachable", "not reachable", e.Message);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    /// <summary>The hosts.</summary>
    public override string ToString() => $"Proxmox Backup Server {Location}";

    private string Identify(string datastore)
    {
        using var hash = SHA256.Create();
        return string.Concat(
            hash.ComputeHash(Encoding.UTF8.GetBytes($"natalia-proxmox-datastore-1\n{Location}\n{datastore}"))
            .Take(16).Select(b => b.ToString("x2", CultureInfo.InvariantCulture)));
    }
}
