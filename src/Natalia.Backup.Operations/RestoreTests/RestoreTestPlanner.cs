using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Ssh;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.BusinessDays;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Guests;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Operations.Restore;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// Finds out which points are tested, where and how, and makes sure that all that a test needs is there before anything
/// is made. One command at a time.
/// </summary>
/// <param name="registry">The connections.</param>
/// <param name="wishes">What the user said.</param>
/// <param name="directory">Knows VMs and settings.</param>
internal sealed class RestoreTestPlanner(SessionRegistry registry, RestoreTestWishes wishes,
    ApplianceDirectory directory)
{
    private readonly Dictionary<string, GuestCredential> _credentials = new(StringComparer.Ordinal);

    /// <summary>The newest point of each appliance that can be restored, of the repository that it is enrolled in
    /// where it is in several.</summary>
    /// <param name="repositories">Where to look.</param>
    /// <param name="selectors">Which appliances; empty for all.</param>
    /// <param name="onTrouble">Told of what cannot be read, and of names that mean nothing.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task<IReadOnlyList<LocatedPoint>> FindNewestAsync(IReadOnlyList<RepositoryConnection> repositories,
        IReadOnlyList<ApplianceSelector> selectors, Action<Exception, object?> onTrouble,
        CancellationToken cancellationToken)
    {
        List<LocatedPoint> points = [];
        foreach (RepositoryConnection repository in repositories)
        {
            try
            {
                points.AddRange((await repository.Points.GetRestorePointsAsync(
                    new RestorePointFilter { IncludeUnreadable = true }, trouble =>
                    {
                        if (trouble.ErrorId is not (ErrorIds.ManifestUnknown or ErrorIds.StoreUnavailable))
                            onTrouble(trouble, repository.Session);
                    }, null, cancellationToken).ConfigureAwait(false)).Select(p => new LocatedPoint(repository, p)));
            }
            catch (Exception e) when (repositories.Count > 1 && !cancellationToken.IsCancellationRequested)
            {
                onTrouble(e, repository.Session);
            }
        }
        List<LocatedPoint> meant = selectors.Count == 0 ? points : [];
        foreach (ApplianceSelector selector in selectors)
        {
            IReadOnlyList<LocatedPoint> own = selector.Choose(points, p => p.Point.ApplianceId,
                p => p.Point.ApplianceName);
            if (own.Count == 0)
                onTrouble(new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound,
                    $"There is no restore point of an appliance '{selector.Text}' in "
                    + $"{string.Join(", ", repositories.Select(r => $"'{r.Name}'"))}.", selector.Text,
                    "Get-NataliaRestorePoint lists them; Invoke-NataliaBackup makes one."), selector.Text);
            meant.AddRange(own);
        }
        List<LocatedPoint> newest = [];
        foreach (IGrouping<string, LocatedPoint> appliance in meant.GroupBy(p => p.Point.ApplianceId))
        {
            List<LocatedPoint> usable = [.. appliance.Where(p =>
                p.Point.IsReadable && p.Point.IsFinished && !p.Point.IsInFuture && !p.Point.IsRenamed)];
            List<RepositoryConnection> places = [.. usable.Select(p => p.Repository).Distinct()];
            List<LocatedPoint> enrolled = [];
            foreach (RepositoryConnection place in places.Count > 1 ? places : [])
                if (await IsEnrolledAsync(place, appliance.Key, cancellationToken).ConfigureAwait(false))
                    enrolled.AddRange(usable.Where(p => p.Repository == place));
            LocatedPoint? one = (enrolled.Count > 0 ? enrolled : usable).OrderByDescending(p => p.Point)
                .FirstOrDefault();
            if (one is not null) newest.Add(one);
            else
                onTrouble(new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound,
                    $"Of {appliance.First().Point.ApplianceName} there is no restore point that can be restored.",
                    appliance.Key, "Get-NataliaRestorePoint tells what is wrong with those there are."), appliance.Key);
        }
        return newest;
    }

    /// <summary>Points in the order in which their appliances were tested; those that never were come first.</summary>
    internal static IReadOnlyList<LocatedPoint> InTurn(IReadOnlyList<LocatedPoint> points,
        IReadOnlyList<RestoreTest> tests) =>
        [.. points.OrderBy(p => tests.Where(t => t.ApplianceId == p.Point.ApplianceId).Select(t => t.StartedUtc)
                .DefaultIfEmpty(DateTime.MinValue).Max())
            .ThenBy(p => p.Point.ApplianceName, StringComparer.OrdinalIgnoreCase)
            .ThenBy(p => p.Point.ApplianceId, StringComparer.Ordinal)];

    /// <summary>What the test of a point comes to.</summary>
    /// <exception cref="NataliaException">
    /// <c>TestBenchNotFound</c>, <c>TestBenchAmbiguous</c>, <c>HypervisorNotConnected</c>, <c>CapabilityMissing</c>,
    /// <c>IsolatedNetworkRequired</c>, <c>GuestCredentialRequired</c>, <c>SshHostKeyRequired</c>,
    /// <c>SshKeyInvalid</c>, <c>SystemImageRequired</c> and the other errors of a system image,
    /// <c>BusinessCalendarInvalid</c>, <c>SecretNotResolved</c>, what opening a point throws.
    /// </exception>
    internal async Task<RestoreTestPlan> PlanAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        RestoreTestSettings settings = await FindSettingsAsync(point, cancellationToken).ConfigureAwait(false)
            ?? new RestoreTestSettings();
        HypervisorConnection bench = await FindBenchAsync(point, wishes.TestBench ?? settings.TestBench,
            cancellationToken).ConfigureAwait(false);
        ITestBench testBench = bench.Hypervisor.Require<ITestBench>("test bench");
        GuestCredential? login = await FindLoginAsync(point, bench, settings).ConfigureAwait(false);
        (RestoreSource source, string? image) = await FindSourceAsync(point, bench, settings,
            cancellationToken).ConfigureAwait(false);
        var plan = new RestoreTestPlan
        {
            Point = point,
            Source = source,
            Bench = bench,
            TestBench = testBench,
            IsolatedNetwork = FindNetwork(bench, wishes.IsolatedNetwork ?? settings.IsolatedNetwork,
                login?.HostKey is not null),
            SystemImage = image,
            Credential = login,
            Calendar = BusinessCalendar.ParseKept(wishes.BusinessCalendar ?? settings.BusinessCalendar),
            Tolerance = wishes.Tolerance ?? settings.Tolerance ?? RestoreTestPlan.DefaultTolerance,
            RestoreTimeout = TimeSpan.FromMinutes(wishes.RestoreTimeoutMinutes ?? settings.RestoreTimeoutMinutes
                ?? RestoreTestPlan.DefaultRestoreMinutes),
            BootTimeout = TimeSpan.FromMinutes(wishes.BootTimeoutMinutes ?? settings.BootTimeoutMinutes
                ?? RestoreTestPlan.DefaultBootMinutes),
            CommandTimeout = TimeSpan.FromMinutes(wishes.CommandTimeoutMinutes ?? settings.CommandTimeoutMinutes
                ?? RestoreTestPlan.DefaultCommandMinutes),
            KeepOnFailure = wishes.KeepOnFailure,
            Checks = wishes.Checks,
        };
        if (wishes.IsFromRepository) plan = FromRepository(plan);
        return plan with
        {
            IntegrityCommand = Command(wishes.IntegrityCommand ?? settings.IntegrityCommand,
                nameof(RestoreTestSettings.IntegrityCommand)) ?? plan.IntegrityCommand,
            AuditCommand = Command(wishes.AuditCommand ?? settings.AuditCommand,
                nameof(RestoreTestSettings.AuditCommand)) ?? plan.AuditCommand,
            CdrCountCommand = Command(wishes.CdrCountCommand ?? settings.CdrCountCommand,
                nameof(RestoreTestSettings.CdrCountCommand)) ?? plan.CdrCountCommand,
        };
    }

    /// <summary>
    /// The plan whose VM reads the point's disks from the repository; a system image is written as in every test.
    /// </summary>
    private static RestoreTestPlan FromRepository(RestoreTestPlan plan)
    {
        if (plan.Bench.Hypervisor.Find<IServedDiskBuilder>() is null
            || plan.Source is not RestoreSource.PointImage image)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"No VM of '{plan.Bench.Name}' ({plan.Bench.Session.Kind}) runs from a repository.", plan.Bench.Name,
                "Leave -FromRepository out, or test a point of a repository of this product on QEMU: "
                + "Connect-NataliaHypervisor -Qemu FOLDER.");
        IReadOnlyList<string> served = PointImages.OwnDisks(image, plan.SystemImage is not null);
        return plan with { Source = PointImages.Uncopied(image, served), ServedDisks = served };
    }

    private static IReadOnlyList<string>? Command(IReadOnlyList<string>? command, string name) =>
        command is null ? null : GuestCommandLine.Parse(command, name);

    private async Task<GuestCredential?> ResolveAsync(string? secret)
    {
        if (secret is null || wishes.ResolveCredential is null) return null;
        if (!_credentials.TryGetValue(secret, out GuestCredential? known))
            _credentials[secret] = known = await wishes.ResolveCredential(secret).ConfigureAwait(false);
        return known;
    }

    private async Task<(RestoreSource Source, string? Image)> FindSourceAsync(LocatedPoint point,
        HypervisorConnection bench, RestoreTestSettings settings, CancellationToken cancellationToken)
    {
        if (!point.Repository.IsOwn)
        {
            if (point.Repository.Hypervisor != bench)
                throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                    $"The restore point lies in a storage of '{point.Repository.Hypervisor!.Name}', and "
                    + $"'{bench.Name}' cannot restore from there.", bench.Name,
                    "Leave -TestBench out, or test a point of a repository of this product.");
            return (new RestoreSource.NativePoint(point.Point), null);
        }
        string? path = wishes.SystemImage;
        if (path is null && settings.SystemImage is not null)
        {
            ApplianceDescription configuration =
                await point.GetConfigurationAsync(cancellationToken).ConfigureAwait(false);
            // A point that holds a system disk of its own is tested as it is.
            if (PointImages.NeedsSystemImage(point.Point, configuration)) path = settings.SystemImage;
        }
        SystemImage? image = path is null
            ? null
            : await SystemImage.FindAsync(path, cancellationToken).ConfigureAwait(false);
        return (await PointImages.CreateAsync(point, image, cancellationToken).ConfigureAwait(false), image?.Path);
    }

    private async Task<HypervisorConnection> FindBenchAsync(LocatedPoint point, string? named,
        CancellationToken cancellationToken)
    {
        if (named is not null) return registry.Hypervisors.Get(named);
        if (point.Repository.Hypervisor is HypervisorConnection own) return own;
        List<HypervisorConnection> able = [.. registry.Hypervisors.All
            .Where(h => h.Hypervisor.Find<IApplianceBuilder>() is not null
                && h.Hypervisor.Find<ITestBench>() is not null)];
        if (able.Count == 1) return able[0];
        if (able.Count == 0)
            throw new NataliaException(ErrorIds.TestBenchNotFound, NataliaErrorKind.NotFound,
                "No connected hypervisor makes test VMs of restore points in a repository of this product.",
                point.Point.RestorePointId,
                "Connect one: Connect-NataliaHypervisor -Qemu FOLDER makes a test bench of this machine.");
        // A copy may lie where the appliance is not enrolled.
        string id = (await directory.StandingAsync(cancellationToken).ConfigureAwait(false))
            .Of(point.Point.ApplianceId)?.Settings.VMId ?? point.Point.ApplianceId;
        IReadOnlyList<LocatedAppliance> showing = await directory.ListAsync(able,
            cancellationToken).ConfigureAwait(false);
        return showing.FirstOrDefault(a => a.Description.ApplianceId == id)?.Hypervisor
            ?? throw new NataliaException(ErrorIds.TestBenchAmbiguous, NataliaErrorKind.InvalidOperation,
                $"Where is {point.Point} tested? These could: {string.Join(", ", able.Select(h => $"'{h.Name}'"))}.",
                point.Point.RestorePointId,
                "Name one with -TestBench, or keep it with Set-NataliaAppliance -TestBench.");
    }

    /// <summary>
    /// Who commands run as in the guest. With a host key they go over SSH, also where the bench has a way of its own.
    /// </summary>
    private async Task<GuestCredential?> FindLoginAsync(LocatedPoint point, HypervisorConnection bench,
        RestoreTestSettings settings)
    {
        GuestCredential? login = wishes.Credential
            ?? await ResolveAsync(settings.GuestCredential).ConfigureAwait(false);
        string? hostKey = wishes.SshHostKey ?? settings.SshHostKey;
        string? keyFile = wishes.SshKeyFile ?? settings.SshKeyFile;
        bool isSshOnly = bench.Hypervisor.Find<IGuestChannel>() is ISshGuestChannel;
        if (hostKey is null && keyFile is null && !isSshOnly) return login;
        if (!isSshOnly) bench.Hypervisor.Require<ISshEndpoints>("way to a guest over SSH");
        if (login is not null)
            login = new GuestCredential(login.UserName, login.Password,
                keyFile is null ? login.PrivateKey : SshKeyFile.Read(keyFile),
                hostKey is null ? login.HostKey : SshHostKey.Parse(hostKey));
        return SshGuestChannel.RequireLogin(login, point.Point.RestorePointId);
    }

    /// <summary>A bench that knows networks which lead nowhere names the most isolated one first.</summary>
    private static string FindNetwork(HypervisorConnection bench, string? named, bool isForSsh)
    {
        IIsolatedNetworks? known = bench.Hypervisor.Find<IIsolatedNetworks>();
        if (named is null)
            return (isForSsh ? known?.IsolatedNetworkWithSsh : known?.IsolatedNetworks[0]) ?? throw None();
        if (isForSsh && named != known?.IsolatedNetworkWithSsh && known?.IsolatedNetworks.Contains(named) == true)
            throw new NataliaException(ErrorIds.IsolatedNetworkRequired, NataliaErrorKind.InvalidArgument,
                $"No SSH server is reached on the network '{named}' of '{bench.Name}', and -SshHostKey asks for SSH.",
                named, known.IsolatedNetworkWithSsh is string other
                    ? $"Test on '{other}', or leave the network out."
                    : "Leave -SshHostKey out.");
        return named;

        NataliaException None() => new(ErrorIds.IsolatedNetworkRequired, NataliaErrorKind.InvalidArgument,
            $"Which network of '{bench.Name}' leads nowhere? A test VM is put on it.", bench.Name,
            "Name it with -IsolatedNetwork, or keep it with Set-NataliaAppliance -IsolatedNetwork.");
    }

    private async Task<bool> IsEnrolledAsync(RepositoryConnection repository, string applianceId,
        CancellationToken cancellationToken) =>
        (await directory.ListEnrolmentsAsync([repository], cancellationToken).ConfigureAwait(false))
        .Any(e => e.Settings.ApplianceId == applianceId);

    /// <summary>
    /// Those of the repository that holds the point; of another one where that has none, as for a copy elsewhere.
    /// </summary>
    private async Task<RestoreTestSettings?> FindSettingsAsync(LocatedPoint point, CancellationToken cancellationToken)
    {
        IReadOnlyList<Enrolment> here = await directory.ListEnrolmentsAsync([point.Repository],
            cancellationToken).ConfigureAwait(false);
        if (here.FirstOrDefault(e => e.Settings.ApplianceId == point.Point.ApplianceId) is Enrolment own)
            return own.Settings.RestoreTest;
        List<RepositoryConnection> others = [.. registry.Repositories.All
            .Where(r => r != point.Repository && r.IsOwn && !r.IsLimited)];
        if (!point.Repository.IsOwn || others.Count == 0) return null;
        return (await directory.ListEnrolmentsAsync(others, cancellationToken).ConfigureAwait(false))
            .FirstOrDefault(e => e.Settings.ApplianceId == point.Point.ApplianceId)?.Settings.RestoreTest;
    }
}
