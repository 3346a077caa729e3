using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Profiles;
using Natalia.Backup.Operations.Schedules;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

public sealed class ScheduleAdviceTests
{
    private static readonly FolderHypervisorSettings s_vms = new() { Name = "vms", Path = @"V:\vms" };
    private static readonly FolderStoreSettings s_nas = new()
    {
        Name = "nas",
        Path = @"Z:\backup",
        Access = RepositoryAccess.Password,
        PasswordSecret = "natalia-nas",
    };
    private static readonly FolderStoreSettings s_offsite = s_nas with { Name = "offsite", Path = @"\\far\backup" };
    private static readonly ProfileDocument s_profile = new([s_vms], [s_nas, s_offsite]);

    [Fact]
    public void A_schedule_that_could_not_do_its_work_is_refused()
    {
        ScheduleAdvice.EnsureFits(Sample.Schedule, s_profile);
        Refused(Sample.Schedule, s_profile with { Hypervisors = [] });
        Refused(Sample.Schedule, s_profile with { Repositories = [] });
        Refused(Sample.Schedule with { CopyTo = ["elsewhere"] }, s_profile);
        Refused(Sample.Schedule with { CopyTo = ["nas"] }, s_profile with { Repositories = [s_nas] });
        Refused(Sample.Schedule with { TestBench = "bench" }, s_profile);

        static void Refused(ScheduleDefinition schedule, ProfileDocument profile) =>
            Assert.Equal(ErrorIds.ScheduleInvalid,
                Assert.Throws<NataliaException>(() => ScheduleAdvice.EnsureFits(schedule, profile)).ErrorId);
    }

    [Fact]
    public void What_session_0_has_not_is_warned_of()
    {
        ScheduleDefinition schedule = Sample.Schedule with
        {
            ProfilePath = @"C:\Users\anna\p.json",
            Script = @"C:\Program Files\m.ps1",
        };
        IReadOnlyList<string> warnings = ScheduleAdvice.Warnings(schedule, s_profile, true, @"C:\Users\anna", true,
            letter => letter is 'C' or 'V');
        Assert.Equal(4, warnings.Count);
        Assert.Contains(warnings, w => w.Contains(@"Z:\backup") && w.Contains("session 0"));
        Assert.Contains(warnings, w => w.Contains("p.json") && w.Contains("SYSTEM"));
        Assert.Contains(warnings, w => w.Contains("'natalia-nas'") && w.Contains("vault"));
        Assert.Contains(warnings, w => w.Contains("can start a VM"));
        Assert.Empty(ScheduleAdvice.Warnings(
            schedule with { SecretScript = @"C:\s.ps1", ProfilePath = @"C:\p.json", QuarterlyRestoreTest = false },
            s_profile, true, @"C:\Users\anna", true, _ => true));
    }
}
