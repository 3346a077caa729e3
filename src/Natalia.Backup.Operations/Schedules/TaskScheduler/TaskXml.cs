using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules.TaskScheduler;

/// <summary>
/// The XML of a task, as known of Microsoft's "Task Scheduler Schema", version 1.2 (not compared with it element by
/// element), and the mark in it: Source names this product and Documentation holds the schedule. Pure.
/// </summary>
internal static class TaskXml
{
    internal const string Source = "Natalia.Backup";

    internal static readonly XNamespace Namespace = "http://schemas.microsoft.com/windows/2004/02/mit/task";

    private static readonly string[] s_quarters = ["January", "April", "July", "October"];

    /// <summary>A task of a schedule.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="work">Which of its tasks.</param>
    /// <param name="account">Who runs it.</param>
    /// <param name="limit">How long a run may take.</param>
    /// <param name="reportFolder">Where a probe writes what it found.</param>
    /// <exception cref="NataliaException"><c>ScheduleInvalid</c>: Windows would read something else.</exception>
    internal static string Create(ScheduleDefinition schedule, ScheduledWork work, TaskAccount account, TimeSpan limit,
        string? reportFolder = null)
    {
        EnsureLiteral(schedule);
        IReadOnlyList<string> arguments = ScheduledCommand.Arguments(schedule, work, reportFolder);
        var task = new XElement(Namespace + "Task", new XAttribute("version", "1.2"),
            Element("RegistrationInfo",
                Element("Source", Source),
                Element("Author", Source),
                Element("Description", Describe(schedule, work)),
                Element("Documentation", schedule.ToMark())),
            Element("Triggers", Triggers(schedule, work)),
            Element("Principals", new XElement(Namespace + "Principal", new XAttribute("id", "Author"),
                Element("UserId", account.UserId),
                // The system's own accounts have none in XML.
                account.Logon == TaskLogon.Password ? Element("LogonType", "Password") : null,
                // Hyper-V and files of VMs are for administrators.
                Element("RunLevel", "HighestAvailable"))),
            Element("Settings",
                Element("MultipleInstancesPolicy", "IgnoreNew"),
                Element("DisallowStartIfOnBatteries", false),
                Element("StopIfGoingOnBatteries", false),
                Element("AllowHardTerminate", true),
                Element("StartWhenAvailable", work != ScheduledWork.Probe),
                Element("RunOnlyIfNetworkAvailable", false),
                Element("AllowStartOnDemand", true),
                Element("Enabled", work == ScheduledWork.Probe || schedule.IsEnabled),
                Element("Hidden", false),
                Element("RunOnlyIfIdle", false),
                Element("WakeToRun", false),
                Element("ExecutionTimeLimit", XmlConvert.ToString(limit)),
                // The default, 7, is below that of normal programs, for the disks as well.
                Element("Priority", 6)),
            new XElement(Namespace + "Actions", new XAttribute("Context", "Author"),
                Element("Exec",
                    Element("Command", schedule.Program),
                    Element("Arguments", ScheduledCommand.Line(arguments)))));
        return "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n" + task;
    }

    /// <summary>What a task's XML says of it; null when it does not carry the mark of this product.</summary>
    internal static TaskMark? Read(string xml)
    {
        try
        {
            using var text = new StringReader(xml);
            using var reader = XmlReader.Create(text, new XmlReaderSettings
            {
                DtdProcessing = DtdProcessing.Prohibit,
                XmlResolver = null,
                MaxCharactersInDocument = 1 << 20,
            });
            XElement task = XDocument.Load(reader).Root!;
            XElement? information = task.Element(Namespace + "RegistrationInfo");
            if (information?.Element(Namespace + "Source")?.Value != Source) return null;
            XElement? exec = task.Element(Namespace + "Actions")?.Element(Namespace + "Exec");
            return new TaskMark(
                ScheduleDefinition.TryParse(information.Element(Namespace + "Documentation")?.Value),
                exec?.Element(Namespace + "Command")?.Value ?? "", exec?.Element(Namespace + "Arguments")?.Value ?? "",
                task.Element(Namespace + "Principals")?.Element(Namespace + "Principal")
                    ?.Element(Namespace + "UserId")?.Value ?? "",
                Describe(task.Element(Namespace + "Triggers")?.Elements() ?? []));
        }
        catch (XmlException)
        {
            return null;
        }
    }

    /// <summary>The triggers that a task should have, written as <see cref="TaskMark.Triggers"/>.</summary>
    internal static string TriggersOf(ScheduleDefinition schedule, ScheduledWork work) =>
        Describe(Triggers(schedule, work));

    /// <summary>
    /// Elements in one way of writing, whatever their order; ids, and that they are enabled, which is the default, are
    /// left out.
    /// </summary>
    private static string Describe(IEnumerable<XElement> elements) => string.Join(" ", elements
        .Where(e => e.HasElements || e.Name.LocalName != "Enabled" || e.Value.Trim() is not ("true" or "1"))
        .Select(e => $"{e.Name.LocalName}({(e.HasElements ? Describe(e.Elements()) : e.Value.Trim())})")
        .OrderBy(t => t, StringComparer.Ordinal));

    private static string Describe(ScheduleDefinition schedule, ScheduledWork work) => work switch
    {
        ScheduledWork.RestoreTest => $"Quarterly restore test of schedule '{schedule.Name}' of Natalia.Backup.",
        ScheduledWork.Probe => $"A trial of schedule '{schedule.Name}' of Natalia.Backup; may be deleted.",
        _ => $"Backup at {ScheduleTimes.Describe(schedule.Kind, schedule.AtTime)} of schedule '{schedule.Name}' of "
            + "Natalia.Backup. Register-NataliaSchedule changes it.",
    };

    private static IEnumerable<XElement> Triggers(ScheduleDefinition schedule, ScheduledWork work) => work switch
    {
        ScheduledWork.Backup => ScheduleTimes.Hours(schedule.Kind, schedule.AtTime).Select(h =>
            Element("CalendarTrigger",
                Element("StartBoundary", Boundary(new TimeSpan(h, schedule.AtTime.Minutes, 0))),
                Element("ScheduleByDay", Element("DaysInterval", 1)))),
        ScheduledWork.RestoreTest =>
        [
            Element("CalendarTrigger",
                Element("StartBoundary", Boundary(ScheduleTimes.RestoreTestAt(schedule.AtTime))),
                Element("ScheduleByMonthDayOfWeek",
                    Element("Weeks", Element("Week", 1)),
                    Element("DaysOfWeek", Element("Sunday")),
                    Element("Months", s_quarters.Select(m => Element(m))))),
        ],
        _ => [],
    };

    /// <summary>Without an offset it is the time on the machine's clock, on each day. The date is past.</summary>
    private static string Boundary(TimeSpan at) =>
        new DateTime(2020, 1, 1).Add(at).ToString("s", CultureInfo.InvariantCulture);

    /// <summary>
    /// The service puts variables in for <c>%name%</c> and <c>$(Arg0)</c>; no way is known to write these as they are.
    /// </summary>
    private static void EnsureLiteral(ScheduleDefinition schedule)
    {
        string line = ScheduledCommand.Line(ScheduledCommand.Arguments(schedule, ScheduledWork.Backup)
            .Prepend(schedule.Program).Append(schedule.TestBench ?? ""));
        if (Regex.IsMatch(line, @"%[^%]+%|\$\(") is false && !line.Any(c => !XmlConvert.IsXmlChar(c)
            && !char.IsSurrogate(c)))
            return;
        throw new NataliaException(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument,
            "Nothing was registered: a path or name of it holds %…%, $( or a character that a task cannot hold: "
            + line, schedule.ScheduleId, "Put the profile in a place with a plainer name.");
    }

    private static XElement Element(string name, params object?[] content) => new(Namespace + name, content);
}

/// <summary>What a task says of itself.</summary>
/// <param name="Schedule">The schedule; null when the mark cannot be read.</param>
/// <param name="Command">The program that it starts.</param>
/// <param name="Arguments">The program's command line.</param>
/// <param name="UserId">Who runs it: a name, or an id of Windows (SID).</param>
/// <param name="Triggers">When it is started, as <see cref="TaskXml.TriggersOf"/> writes it.</param>
internal sealed record TaskMark(ScheduleDefinition? Schedule, string Command, string Arguments, string UserId,
    string Triggers);
