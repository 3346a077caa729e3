using System.Management.Automation;
using System.Reflection;
using System.Xml.Linq;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Contract;

/// <summary>What tables show, whatever they show.</summary>
public sealed class ViewTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    // Of these a row is a connection itself, or names the VMs of a schedule.
    private static readonly string[] s_own = ["HypervisorSession", "RepositorySession", "ConnectionProfile"];

    [Fact]
    public void A_row_that_speaks_of_an_appliance_or_a_repository_says_of_which()
    {
        List<string> wrong = [];
        foreach (Type type in OutputTypes().Where(t => !s_own.Contains(t.Name)))
        {
            XElement table = Views().Single(v => Selects(v, type) && v.Element("TableControl") is not null
                || Selects(v, type) && OnlyList(type));
            string shown = table.ToString();
            if (Has(type, "RepositoryId") && !Has(type, "Repository")) wrong.Add($"{type.Name}: no Repository");
            if (Has(type, "ApplianceId") && type.Name != "Appliance" && !Has(type, "ApplianceName"))
                wrong.Add($"{type.Name}: no ApplianceName");
            bool subject = shown.Contains("::Subject[", StringComparison.Ordinal)
                || shown.Contains("::Plan[", StringComparison.Ordinal)
                || shown.Contains("::Measured[", StringComparison.Ordinal);
            if (Has(type, "RepositoryId") && !subject && !shown.Contains("'Repository'", StringComparison.Ordinal))
                wrong.Add($"{type.Name}: the view shows no repository");
            if (Has(type, "ApplianceName") && !subject
                && !shown.Contains("'ApplianceName'", StringComparison.Ordinal)
                && !shown.Contains("$_.ApplianceName", StringComparison.Ordinal)
                && !shown.Contains("::Appliance[", StringComparison.Ordinal))
                wrong.Add($"{type.Name}: the view shows no appliance");
            if (Has(type, "NativeIds") && !shown.Contains("'ApplianceNames'", StringComparison.Ordinal))
                wrong.Add($"{type.Name}: the view shows no appliances");
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_table_has_room_for_what_is_longer_than_its_columns() =>
        Assert.Empty(Views().Where(v => v.Element("TableControl") is not null && !v.Descendants("Wrap").Any())
            .Select(v => v.Element("Name")!.Value));

    [Fact]
    public void Views_call_no_method_of_the_module_so_that_constrained_language_shows_them() =>
        Assert.DoesNotContain(Views().Descendants("ScriptBlock").Select(s => s.Value),
            s => System.Text.RegularExpressions.Regex.IsMatch(s, @"\[Natalia[^\]]*\]::\w+\("));

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

    private static bool Has(Type type, string property) => type.GetProperty(property) is not null;

    private static bool OnlyList(Type type) =>
        !Views().Any(v => Selects(v, type) && v.Element("TableControl") is not null);

    private static bool Selects(XElement view, Type type) =>
        view.Element("ViewSelectedBy")!.Elements("TypeName").Any(n => n.Value == type.FullName);

    private static IEnumerable<XElement> Views() =>
        Directory.EnumerateFiles(BuildLayout.ModuleRoot, "*.Format.ps1xml")
            .SelectMany(f => XDocument.Load(f).Descendants("View"));
}
