using System.Management.Automation;
using System.Reflection;
using System.Text;
using System.Xml;
using System.Xml.Linq;

namespace Natalia.Backup.HelpGenerator;

/// <summary>The MAML help of the module.</summary>
public sealed class HelpDocument
{
    private static readonly XNamespace s_help = "http://msh";
    private static readonly XNamespace s_maml = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace s_command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace s_dev = "http://schemas.microsoft.com/maml/dev/2004/10";

    private readonly IReadOnlyList<CmdletModel> _cmdlets;
    private readonly DocumentationComments _comments;
    private readonly List<string> _gaps = [];

    private HelpDocument(IReadOnlyList<CmdletModel> cmdlets, string comments)
    {
        _cmdlets = cmdlets;
        var names = cmdlets.ToDictionary(c => c.Info.ImplementingType.FullName!, c => c.Info.Name);
        _comments = new DocumentationComments(comments, names.GetValueOrDefault);
    }

    /// <summary>Makes the help. The same cmdlets and comments give the same text.</summary>
    /// <param name="manifest">The manifest of the laid out module.</param>
    /// <param name="comments">The compiler's documentation file of the cmdlets' assembly.</param>
    /// <param name="gaps">What should have text and has none.</param>
    public static string Generate(string manifest, string comments, out IReadOnlyList<string> gaps)
    {
        var document = new HelpDocument(CmdletModel.Read(manifest), comments);
        var items = new XElement(
            s_help + "helpItems",
            new XAttribute("schema", "maml"),
            document._cmdlets.Select(document.Command));
        gaps = document._gaps;

        var text = new StringBuilder();
        using (var writer = XmlWriter.Create(text, new XmlWriterSettings
        {
            Indent = true,
            NewLineChars = "\n",
            OmitXmlDeclaration = true,
        }))
            items.Save(writer);
        return "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- Generated from the documentation comments of the "
            + "cmdlets; change those. -->\n"
            + text + "\n";
    }

    private XElement Command(CmdletModel cmdlet)
    {
        CmdletInfo info = cmdlet.Info;
        XElement? comment = _comments.ForType(info.ImplementingType);
        var synopsis = string.Join(' ',
            Demand(_comments.Paragraphs(comment?.Element("summary")), $"{info.Name}: <summary>"));
        IReadOnlyList<string> description = Demand(_comments.Paragraphs(comment?.Element("remarks")),
            $"{info.Name}: <remarks>");
        return new XElement(
            s_command + "command",
            new XAttribute(XNamespace.Xmlns + "maml", s_maml),
            new XAttribute(XNamespace.Xmlns + "command", s_command),
            new XAttribute(XNamespace.Xmlns + "dev", s_dev),
            new XElement(
                s_command + "details",
                new XElement(s_command + "name", info.Name),
                new XElement(s_command + "verb", info.Verb),
                new XElement(s_command + "noun", info.Noun),
                new XElement(s_maml + "description", Para(synopsis))),
            new XElement(s_maml + "description", description.Select(Para)),
            new XElement(
                s_command + "syntax",
                cmdlet.ParameterSets.Select(set => new XElement(
                    s_command + "syntaxItem",
                    new XElement(s_maml + "name", info.Name),
                    set.Select(p => Parameter(cmdlet, p))))),
            new XElement(s_command + "parameters", cmdlet.Parameters.Select(p => Parameter(cmdlet, p))),
            new XElement(s_command + "inputTypes", Inputs(cmdlet)),
            new XElement(s_command + "returnValues", Outputs(cmdlet)),
            new XElement(s_maml + "alertSet"),
            new XElement(s_command + "examples", Examples(cmdlet, comment)),
            new XElement(s_command + "relatedLinks", Links(cmdlet, comment)));
    }

    private XElement Parameter(CmdletModel cmdlet, CommandParameterInfo parameter)
    {
        var type = CmdletModel.TypeName(parameter.ParameterType);
        var isSwitch = parameter.ParameterType == typeof(SwitchParameter);
        var repeats = XmlConvert.ToString(parameter.ParameterType.IsArray);
        return new XElement(
            s_command + "parameter",
            new XAttribute("required", XmlConvert.ToString(parameter.IsMandatory)),
            new XAttribute("variableLength", repeats),
            new XAttribute("globbing",
                XmlConvert.ToString(parameter.Attributes.OfType<SupportsWildcardsAttribute>().Any())),
            new XAttribute("pipelineInput", Pipeline(parameter)),
            new XAttribute("position", parameter.Position >= 0 ? XmlConvert.ToString(parameter.Position) : "named"),
            new XAttribute("aliases",
                parameter.Aliases.Count > 0
                    ? string.Join(", ", parameter.Aliases.Order(StringComparer.Ordinal))
                    : "none"),
            new XElement(s_maml + "name", parameter.Name),
            new XElement(s_maml + "description", Description(cmdlet, parameter).Select(Para)),
            isSwitch
                ? null
                : new XElement(s_command + "parameterValue", new XAttribute("required", "true"),
                    new XAttribute("variableLength", repeats), type),
            new XElement(s_dev + "type", new XElement(s_maml + "name", type), new XElement(s_maml + "uri")),
            new XElement(s_dev + "defaultValue", cmdlet.Default(parameter)));
    }

    private IEnumerable<string> Description(CmdletModel cmdlet, CommandParameterInfo parameter)
    {
        if (CmdletModel.StandardText(parameter.Name) is { } standard)
            return [standard];
        XElement? comment = _comments.ForProperty(cmdlet.Declares(parameter.Name), parameter.Name);
        IReadOnlyList<string> text = Demand(
            [.. _comments.Paragraphs(comment?.Element("summary")),
                .. _comments.Paragraphs(comment?.Element("remarks"))],
            $"{cmdlet.Info.Name} -{parameter.Name}: <summary>");
        IReadOnlyList<string> accepted = CmdletModel.Accepted(parameter);
        return accepted.Count == 0 ? text : text.Append($"Accepted values: {string.Join(", ", accepted)}.");
    }

    private static string Pipeline(CommandParameterInfo parameter) =>
        (parameter.ValueFromPipeline, parameter.ValueFromPipelineByPropertyName) switch
        {
            (true, true) => "True (ByValue, ByPropertyName)",
            (true, false) => "True (ByValue)",
            (false, true) => "True (ByPropertyName)",
            _ => "False",
        };

    private static IEnumerable<XElement> Inputs(CmdletModel cmdlet)
    {
        var all = cmdlet.ParameterSets.SelectMany(s => s).ToList();
        IEnumerable<XElement> byValue = all.Where(p => p.ValueFromPipeline).DistinctBy(p => p.Name)
            .Select(p => Typed("inputType", CmdletModel.TypeName(p.ParameterType),
                $"Objects from the pipeline bind to -{p.Name}."));
        var byName = all.Where(p => p.ValueFromPipelineByPropertyName).Select(p => p.Name).Distinct()
            .Order(StringComparer.Ordinal).ToList();
        XElement[] properties = byName.Count == 0
            ? []
            : new[] { Typed("inputType", "Any object",
                $"Properties of objects from the pipeline bind to parameters of the same name: "
                + $"{string.Join(", ", byName)}.") };
        var inputs = byValue.Concat(properties).ToList();
        return inputs.Count > 0 ? inputs : [Typed("inputType", "None", "This cmdlet takes nothing from the pipeline.")];
    }

    private IEnumerable<XElement> Outputs(CmdletModel cmdlet)
    {
        var types = cmdlet.Info.OutputType.Where(t => t.Type != typeof(void)).ToList();
        return types.Count == 0
            ? [Typed("returnValue", "None", "This cmdlet writes nothing to the pipeline.")]
            : types.Select(
                t => Typed("returnValue", t.Name,
                    t.Type is null
                        ? ""
                        : string.Join(' ', _comments.Paragraphs(_comments.ForType(t.Type)?.Element("summary")))));
    }

    private static XElement Typed(string element, string type, string text) => new(
        s_command + element,
        new XElement(s_dev + "type", new XElement(s_maml + "name", type)),
        new XElement(s_maml + "description", Para(text)));

    private IEnumerable<XElement> Examples(CmdletModel cmdlet, XElement? comment)
    {
        List<XElement> examples = comment?.Elements("example").ToList() ?? [];
        if (examples.Count < 2)
            _gaps.Add($"{cmdlet.Info.Name}: <example> (there are {examples.Count}, two are needed)");
        return examples.Select((example, i) =>
        {
            var code = DocumentationComments.Code(example.Element("code"));
            if (code.Length == 0)
                _gaps.Add($"{cmdlet.Info.Name}: <code> of example {i + 1}");
            IReadOnlyList<string> text = Demand(_comments.Paragraphs(example),
                $"{cmdlet.Info.Name}: text of example {i + 1}");
            return new XElement(
                s_command + "example",
                new XElement(s_maml + "title",
                    $"-------------------------- Example {i + 1} --------------------------"),
                new XElement(s_dev + "code", code),
                new XElement(s_dev + "remarks", text.Select(Para)));
        });
    }

    private IEnumerable<XElement> Links(CmdletModel cmdlet, XElement? comment)
    {
        var online = cmdlet.Info.ImplementingType.GetCustomAttribute<CmdletAttribute>()!.HelpUri;
        if (!string.IsNullOrEmpty(online))
            yield return Link("Online version:", online);

        IEnumerable<string> named = comment?.Elements("seealso")
            .Select(s => string.Concat(_comments.Paragraphs(new XElement("x", s))))
            ?? [];
        IEnumerable<string> related = _cmdlets.Where(c => c.Info.Noun == cmdlet.Info.Noun && c != cmdlet)
            .Select(c => c.Info.Name);
        foreach (var name in named.Concat(related).Concat(Topics(cmdlet.Info)).Append("about_Natalia.Backup")
            .Append("about_NataliaErrors").Distinct())
            yield return Link(name, "");
    }

    /// <summary>The pages that tell more of what a cmdlet is for.</summary>
    private static IEnumerable<string> Topics(CmdletInfo cmdlet)
    {
        string[] topics = cmdlet.Noun switch
        {
            "NataliaHypervisor" or "NataliaReplication" or "NataliaSnapshot" =>
                ["HyperV", "Proxmox", "VMware", "Qemu"],
            "NataliaPrerequisite" => ["Troubleshooting", "HyperV", "Proxmox", "VMware"],
            "NataliaRepository" => ["Repositories", "Immutability", "Credentials"],
            "NataliaRepositoryKey" => ["Repositories", "Credentials"],
            "NataliaProfile" or "NataliaSchedule" => ["Automation", "Credentials"],
            "NataliaRetention" or "NataliaRetentionPlan" => ["Retention"],
            "NataliaRestore" or "NataliaRestoreTest" => ["RestoreTesting"],
            "NataliaRecovery" or "NataliaReport" => ["RestoreTesting", "Automation"],
            "NataliaBackup" => ["Automation", "Troubleshooting"],
            "NataliaAppliance" when cmdlet.Verb == "Restore" => ["Troubleshooting"],
            "NataliaAppliance" => ["RestoreTesting"],
            "NataliaDiagnostic" or "NataliaDisk" => ["Troubleshooting"],
            "NataliaRestorePoint" => ["Repositories", "Immutability"],
            _ => [],
        };
        return topics.Select(t => "about_Natalia" + t);
    }

    private static XElement Link(string text, string address) => new(
        s_maml + "navigationLink", new XElement(s_maml + "linkText", text), new XElement(s_maml + "uri", address));

    private static XElement Para(string text) => new(s_maml + "para", text);

    private IReadOnlyList<string> Demand(IReadOnlyList<string> text, string gap)
    {
        if (text.Count == 0 && !_gaps.Contains(gap))
            _gaps.Add(gap);
        return text;
    }
}
