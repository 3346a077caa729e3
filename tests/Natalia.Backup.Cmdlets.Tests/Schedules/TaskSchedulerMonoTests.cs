using System.Xml.Linq;
using Natalia.Backup.Operations.Schedules.Model;
using Natalia.Backup.Operations.Schedules.TaskScheduler;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

/// <summary>
/// Schedules of Windows in the build that Windows PowerShell 5.1 loads, run by Mono. The service is the stand-in of
/// <see cref="TaskSchedulerTests"/>.
/// </summary>
[Trait("Category", "SecondRuntime")]
public sealed class TaskSchedulerMonoTests : IDisposable
{
    private const string Gmsa = @"CONTOSO\natalia$";

    private static readonly string s_program = Path.Combine(AppContext.BaseDirectory, "mono",
        "Natalia.Backup.Hypervisors.Mono.exe");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [MonoFact]
    public void A_schedule_is_registered_as_on_dotnet_read_back_refused_and_removed()
    {
        (int code, string output, string errors) = Counterpart.Mono.Run(new Dictionary<string, string?>(), s_program,
            "schedules", _folder.Path);

        Assert.True(code == 0, output + errors);
        Assert.Contains(".NETStandard,Version=v2.0", output, StringComparison.Ordinal);
        Assert.Equal(
        [
            $"made True: 01:00, 07:00, 13:00, 19:00 as {Gmsa}", "again False",
            "told When the task 'natalia-backup-nightly' is started was changed by hand.", "read True",
            "passwords correct horse, correct horse", "shown False", "refused PermissionDenied", "left 0",
        ], output.Split('\n').Where(l => l.Length > 0 && l[0] != '#'));
        ScheduleDefinition schedule = Sample.Windows with { Account = Gmsa };
        foreach ((ScheduledWork work, string name) in new[]
        {
            (ScheduledWork.Backup, schedule.ScheduleId), (ScheduledWork.RestoreTest, schedule.RestoreTestId),
        })
        {
            XElement expected = Parse(TaskXml.Create(schedule, work, TaskAccount.Of(Gmsa), TimeSpan.FromHours(23)));
            XElement made = Parse(File.ReadAllText(_folder[$"{name}.xml"]));
            Assert.True(XNode.DeepEquals(expected, made), made.ToString());
        }
    }

    private static XElement Parse(string xml) => XDocument.Parse(xml).Root!;
}
