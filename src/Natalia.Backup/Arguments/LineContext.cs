using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Arguments;

/// <summary>
/// What the rest of the line says, for completion: the appliance and the repository that are named in the command that
/// is typed, or in one before it in the pipeline. Nothing is run and nobody is asked.
/// </summary>
internal sealed class LineContext
{
    private static readonly string[] s_appliance = ["Appliance", "ApplianceName", "VMName", "Name"];
    private static readonly string[] s_repository = ["Repository", "RepositoryId"];

    private readonly NamePattern? _appliance;
    private readonly NamePattern? _repository;
    private readonly string? _applianceId;

    internal LineContext(CommandAst? command, IDictionary? bound)
    {
        _applianceId = Text(bound?["ApplianceId"]);
        List<CommandAst> line = command?.Parent is PipelineAst pipeline
            ? [.. pipeline.PipelineElements.OfType<CommandAst>().TakeWhile(c => c != command)]
            : [];
        _appliance = Pattern(Find(bound, s_appliance.Take(3)) ?? Find(line, s_appliance));
        _repository = Pattern(Find(bound, s_repository) ?? Find(line, s_repository));
    }

    /// <summary>What PowerShell takes for quotes, the typographic ones included.</summary>
    internal static char[] Quotes { get; } =
        ['\'', '"', '\u2018', '\u2019', '\u201a', '\u201b', '\u201c', '\u201d', '\u201e'];

    /// <summary>Whether something of this appliance can be meant.</summary>
    internal bool MayMeanAppliance(string name, string? id = null) =>
        (_applianceId is null || id is null || string.Equals(_applianceId, id, StringComparison.OrdinalIgnoreCase))
        && (_appliance is null || _appliance.MayMean(name)
            || string.Equals(_appliance.Text, id, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether something of this repository can be meant.</summary>
    internal bool MayMeanRepository(string? name, string? id) =>
        _repository is null || (name is not null && _repository.MayMean(name))
        || string.Equals(_repository.Text, id, StringComparison.OrdinalIgnoreCase);

    private static string? Find(IDictionary? bound, IEnumerable<string> names) =>
        bound is null ? null : names.Select(n => Text(bound[n])).FirstOrDefault(t => t is not null);

    /// <summary>What an earlier command of the pipeline names, by a parameter or by its place.</summary>
    private static string? Find(List<CommandAst> line, IReadOnlyList<string> names)
    {
        foreach (CommandAst command in Enumerable.Reverse(line))
        {
            // A name is an appliance's only where appliances are listed.
            bool isAppliance = command.GetCommandName()?.EndsWith("-NataliaAppliance",
                StringComparison.OrdinalIgnoreCase) == true;
            IDictionary<string, ParameterBindingResult> bound =
                StaticParameterBinder.BindCommand(command, resolve: true).BoundParameters;
            foreach (string name in names.Where(n => n != "Name" || isAppliance))
                if (bound.TryGetValue(name, out ParameterBindingResult? result)
                    && Text(result.ConstantValue) is string text)
                    return text;
        }
        return null;
    }

    private static NamePattern? Pattern(string? text) => text is null ? null : Wildcards.Parse(text);

    private static string? Text(object? value)
    {
        object? inner = value is PSObject wrapped ? wrapped.BaseObject : value;
        return inner switch
        {
            null => null,
            string text => text.Trim(Quotes) is { Length: > 0 } plain ? plain : null,
            // Of several, nothing is left out.
            IEnumerable => null,
            object other => new[] { "ApplianceId", "Name" }
                .Select(p => PSObject.AsPSObject(other).Properties[p]?.Value?.ToString())
                .FirstOrDefault(t => !string.IsNullOrEmpty(t)),
        };
    }
}
