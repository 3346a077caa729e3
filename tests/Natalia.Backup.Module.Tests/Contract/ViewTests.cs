using System.Management.Automation;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Contract;

/// <summary>What tables show, whatever they show.</summary>
public sealed class ViewTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    private static readonly string[] s_reasons = ["Reason", "Detail", "Damage", "Note", "Headline", "Error"];

    // PowerShell leaves the last column of the narrowest window free; a reason needs this much.
    private const int Room = 79, Least = 15;

    // Of these a row is a connection itself, or names the VMs of a schedule.
    // What names a repository and an appliance together.
    private static readonly string[] s_subjects = ["Subject", "Whose", "Point", "Tested", "Plan", "Measured"];

    private static readonly string[] s_own = ["HypervisorSession", "RepositorySession", "ConnectionProfile"];

    [Fact]
    public void A_row_that_speaks_of_an_appliance_or_a_repository_says_of_which()
    {
        List<string> wrong = [];
        foreach (Type type in OutputTypes().Where(t => !s_own.Contains(t.Name)))
        {
            XElement table = Table(type);
            string shown = table.ToString();
            if (Has(type, "RepositoryId") && !Has(type, "Repository")) wrong.Add($"{type.Name}: no Repository");
            if (Has(type, "ApplianceId") && type.Name != "Appliance" && !Has(type, "ApplianceName"))
                wrong.Add($"{type.Name}: no ApplianceName");
            bool subject = s_subjects.Any(s => shown.Contains($"::{s}[", StringComparison.Ordinal));
            if (Has(type, "RepositoryId") && !subject && !shown.Contains("'Repository'", StringComparison.Ordinal))
                wrong.Add($"{type.Name}: the view shows no repository");
            if (Has(type, "ApplianceName") && !subject
                && !shown.Contains("'ApplianceName'", StringComparison.Ordinal)
                && !shown.Contains("$_.ApplianceName", StringComparison.Ordinal))
                wrong.Add($"{type.Name}: the view shows no appliance");
            if (Has(type, "NativeIds") && !shown.Contains("'ApplianceNames'", StringComparison.Ordinal))
                wrong.Add($"{type.Name}: the view shows no appliances");
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_type_has_a_table_and_a_list()
    {
        foreach (Type type in OutputTypes())
        {
            Assert.True(Views().Count(v => Selects(v, type) && v.Element("TableControl") is not null) == 1, type.Name);
            Assert.True(Views().Count(v => Selects(v, type) && v.Element("ListControl") is not null) == 1, type.Name);
        }
    }

    [Fact]
    public void Every_column_has_its_place_in_80_columns_and_the_last_takes_the_rest()
    {
        foreach (XElement view in Views().Where(v => v.Element("TableControl") is not null))
        {
            string name = view.Element("Name")!.Value;
            XElement[] columns = [.. view.Descendants("TableColumnHeader")];
            int used = columns.Sum(c => (int?)c.Element("Width") ?? 0) + columns.Length - 1;
            Assert.True(columns[..^1].All(c => c.Element("Width") is not null), name);
            Assert.True(columns[^1].Element("Width") is null && used + Least <= Room, $"{name}: {used}");
            Assert.All(columns[..^1],
                c => Assert.InRange(c.Element("Label")!.Value.Length, 1, (int)c.Element("Width")!));
            // How much the others take is told to what breaks the last column between words.
            XElement last = view.Descendants("TableColumnItem").Last();
            Assert.All(Regex.Matches(last.Value, @", (\d+), \$Host\]"),
                m => Assert.True(m.Groups[1].Value == Invariant(used), $"{name}: {m.Value} instead of {used}"));
            // And so that it can be told: what is broken there is long.
            Assert.Contains("$Host]", last.Value, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(80)]
    [InlineData(120)]
    public void A_table_of_the_longest_values_shows_every_column_and_the_whole_reason(int width)
    {
        using ModuleSession session = Window(width);
        foreach (Type type in OutputTypes())
        {
            string[] labels = [.. Table(type).Descendants("TableColumnHeader").Select(c => c.Element("Label")!.Value)];
            string[] lines = Render(session, "$args[0] | Format-Table", OutputSample.Of(type), width, type);
            int rule = Array.FindIndex(lines, l => Regex.IsMatch(l, "^ *-+( +-+)+ *$"));
            Assert.True(rule > 0, type.Name);
            Assert.True(lines[rule].Split(' ', StringSplitOptions.RemoveEmptyEntries).Length == labels.Length,
                $"{type.Name}: {lines[rule - 1]}");
            Assert.All(labels, l => Assert.Contains(l, lines[rule - 1], StringComparison.Ordinal));
            int start = lines[rule].LastIndexOf(' ') + 1;
            string last = Dense(string.Concat(lines[(rule + 1)..].Select(l => FromCell(l, start))));
            foreach (string reason in s_reasons.Where(r => Has(type, r) && type.Name != "RestorePoint"))
                Assert.True(last.Contains(Dense(OutputSample.Reason), StringComparison.Ordinal),
                    $"{type.Name}.{reason}:\n{string.Join('\n', lines)}");
        }
    }

    [Theory]
    [InlineData(80)]
    [InlineData(120)]
    public void A_list_of_the_longest_values_is_whole(int width)
    {
        using ModuleSession session = Window(width);
        foreach (Type type in OutputTypes())
        {
            string all = Dense(string.Concat(Render(session, "$args[0] | Format-List *",
                OutputSample.Of(type), width: 0, type)));
            string[] lines = Render(session, "$args[0] | Format-List", OutputSample.Of(type), width, type);
            string shown = Dense(string.Concat(lines));
            foreach (string reason in s_reasons.Where(r => Has(type, r)))
                Assert.True(shown.Contains(Dense(reason + ":" + OutputSample.Reason), StringComparison.Ordinal),
                    $"{type.Name}.{reason}:\n{string.Join('\n', lines)}");
            Assert.Contains(Dense(lines.First(l => l.Contains(':', StringComparison.Ordinal)).Split(':')[0]), all,
                StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_cell_of_a_CSV_file_shows_what_a_list_holds_also_when_it_comes_from_a_job()
    {
        foreach (Type type in OutputTypes())
        {
            foreach (string from in new[] { "$args[0]", "[System.Management.Automation.PSSerializer]::Deserialize("
                + "[System.Management.Automation.PSSerializer]::Serialize($args[0], 2))" })
            {
                ScriptResult csv = module.Run($"{from} | ConvertTo-Csv | ConvertFrom-Csv", OutputSample.Of(type))
                    .ThrowIfFailed();
                Assert.All(csv.Single.Properties, p => Assert.False(
                    Regex.IsMatch((string?)p.Value ?? "", @"System\.|Natalia\.Backup\.|\w \{ |`\d"),
                    $"{type.Name}.{p.Name}: {p.Value}"));
            }
        }
    }

    [Fact]
    public void JSON_has_an_array_where_there_is_a_list()
    {
        foreach (Type type in OutputTypes())
        {
            string json = (string)module.Run("$args[0] | ConvertTo-Json -Depth 3 -EnumsAsStrings -Compress "
                + "-WarningAction Ignore", OutputSample.Of(type)).ThrowIfFailed().Single.BaseObject;
            foreach (PropertyInfo list in type.GetProperties().Where(p => IsList(p.PropertyType)))
                Assert.Contains($"\"{list.Name}\":[", json, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_script_uses_a_list_like_an_array()
    {
        Type type = OutputTypes().Single(t => t.Name == "ConnectionProfile");
        Assert.Equal(["6", "offsite-archive-wasabi", "True", "6", "no"], module.Run("""
            $names = $args[0].Hypervisors
            $names.Count; $names[-1]; $names -contains 'offsite-archive-wasabi'
            & { param([string[]] $Name) $Name.Count } $names
            if ($args[1].Hypervisors) { 'some' } else { 'no' }
            """, OutputSample.Of(type), Activator.CreateInstance(type)).ThrowIfFailed().Text);
    }

    [Fact]
    public void Every_table_has_room_for_what_is_longer_than_its_columns() =>
        Assert.Empty(Views().Where(v => v.Element("TableControl") is not null && !v.Descendants("Wrap").Any())
            .Select(v => v.Element("Name")!.Value));

    [Fact]
    public void Views_call_no_method_of_the_module_so_that_constrained_language_shows_them() =>
        Assert.DoesNotContain(Views().Descendants("ScriptBlock").Select(s => s.Value),
            s => Regex.IsMatch(s, @"\[Natalia[^\]]*\]::\w+\("));

    [Fact]
    public void The_list_of_an_appliance_shows_everything_that_is_known_of_it()
    {
        Type type = OutputTypes().Single(t => t.Name == "Appliance");
        string list = Views().Single(v => Selects(v, type) && v.Element("ListControl") is not null).ToString();
        // Of the settings of restore tests it shows the one that was perhaps taken from a machine.
        Assert.Contains("$_.RestoreTest.SshHostKey", list, StringComparison.Ordinal);
        Assert.All(type.GetProperties().Select(p => p.Name), name =>
            Assert.Contains(name, list, StringComparison.Ordinal));
    }

    [Fact]
    public void In_a_list_of_mixed_objects_each_takes_a_few_lines()
    {
        XElement types = XDocument.Load(Path.Combine(BuildLayout.ModuleRoot, "Natalia.Backup.Types.ps1xml")).Root!;
        var sets = types.Elements("Type").ToDictionary(t => t.Element("Name")!.Value,
            t => t.Descendants("ReferencedProperties").Single().Elements("Name").Select(n => n.Value).ToList());
        foreach (Type type in OutputTypes())
        {
            Assert.True(sets.TryGetValue(type.FullName!, out List<string>? shown), $"{type.FullName} is not there.");
            Assert.InRange(shown.Count, 2, 7);
            Assert.All(shown, name => Assert.True(Has(type, name), $"{type.Name} has no {name}."));
        }
        Assert.Equal(OutputTypes().Count, sets.Count);
    }

    private IReadOnlyList<Type> OutputTypes()
    {
        List<Type> types = [.. module.Run("Get-Command -Module Natalia.Backup -CommandType Cmdlet").ThrowIfFailed()
            .Output.Select(o => (CmdletInfo)o!.BaseObject)
            .SelectMany(c => c.ImplementingType.GetCustomAttributes<OutputTypeAttribute>())
            .SelectMany(a => a.Type).Select(t => t.Type)
            .Where(t => t?.Namespace?.StartsWith("Natalia.", StringComparison.Ordinal) == true).Distinct()];
        // What a report is made of is shown by itself, too.
        types.Add(types[0].Assembly.GetType("Natalia.Backup.Engine.Model.RepairFinding")
            ?? types.First(t => t.Name == "RepairReport").Assembly
                .GetType("Natalia.Backup.Engine.Model.RepairFinding")!);
        return types;
    }

    private ModuleSession Window(int width)
    {
        ModuleSession session = module.NewSession();
        session.Host.UI.RawUI.BufferSize = new System.Management.Automation.Host.Size(width, 50);
        session.Host.UI.RawUI.WindowSize = new System.Management.Automation.Host.Size(width, 50);
        return session;
    }

    /// <summary>What a person sees, line by line; nothing of it is cut, too wide, or a raw number.</summary>
    private static string[] Render(ModuleSession session, string script, object one, int width, Type type)
    {
        string text = Regex.Replace(session.Render(script, one), "\x1b\\[[0-9;]*m", "");
        string[] lines = [.. text.Split('\n').Select(l => l.TrimEnd('\r', ' '))];
        if (width == 0) return lines;
        Assert.False(text.Contains('…', StringComparison.Ordinal), $"{type.Name}:\n{text}");
        Assert.All(lines, l => Assert.True(Cells(l) < width, $"{type.Name}, {Cells(l)}: {l}"));
        Assert.DoesNotContain(Invariant(OutputSample.Bytes), Dense(text), StringComparison.Ordinal);
        Assert.DoesNotContain(OutputSample.Duration.ToString(), text, StringComparison.Ordinal);
        return lines;
    }

    private static string Dense(string text) => Regex.Replace(text, @"\s", "");

    private static string Invariant(long number) =>
        number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static int Cells(string text) => text.Sum(c => c >= 0x2e80 ? 2 : 1);

    private static string FromCell(string line, int cell)
    {
        int at = 0;
        for (int cells = 0; at < line.Length && cells < cell; at++) cells += Cells(line[at].ToString());
        return line[at..];
    }

    private static bool IsList(Type type) =>
        type.IsArray || type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>);

    private static XElement Table(Type type) =>
        Views().Single(v => Selects(v, type) && v.Element("TableControl") is not null);

    private static bool Has(Type type, string property) => type.GetProperty(property) is not null;

    private static bool Selects(XElement view, Type type) =>
        view.Element("ViewSelectedBy")!.Elements("TypeName").Any(n => n.Value == type.FullName);

    private static IEnumerable<XElement> Views() =>
        Directory.EnumerateFiles(BuildLayout.ModuleRoot, "*.Format.ps1xml")
            .SelectMany(f => XDocument.Load(f).Descendants("View"));
}
