using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Natalia.Backup.HelpGenerator;

/// <summary>
/// The documentation comments of the module's assemblies, as the compiler writes them, and their text as help shows it.
/// </summary>
public sealed partial class DocumentationComments
{
    private readonly Dictionary<string, XElement> _members;
    private readonly Func<string, string?> _cmdletName;

    /// <param name="path">The compiler's XML file of the cmdlets; those of the other assemblies of the product, whose
    /// types cmdlets write, lie beside it.</param>
    /// <param name="cmdletName">Gives the name of the cmdlet whose class has this full name; null for other
    /// classes.</param>
    public DocumentationComments(string path, Func<string, string?> cmdletName)
    {
        _cmdletName = cmdletName;
        _members = Directory.EnumerateFiles(Path.GetDirectoryName(path)!, "Natalia.Backup*.xml")
            .SelectMany(file => XDocument.Load(file, LoadOptions.PreserveWhitespace).Descendants("member"))
            .GroupBy(m => m.Attribute("name")!.Value)
            .ToDictionary(g => g.Key, g => g.First());
    }

    public XElement? ForType(Type type) => _members.GetValueOrDefault("T:" + Name(type));

    public XElement? ForProperty(Type declaring, string property) =>
        _members.GetValueOrDefault($"P:{Name(declaring)}.{property}");

    /// <summary>An element's text, one entry for each paragraph; none when there is no text.</summary>
    public IReadOnlyList<string> Paragraphs(XElement? element)
    {
        if (element is null)
            return [];

        List<string> paragraphs = [];
        var open = new StringBuilder();
        void Close()
        {
            var text = Space().Replace(open.ToString(), " ").Trim();
            if (text.Length > 0)
                paragraphs.Add(text);
            open.Clear();
        }

        foreach (XNode node in element.Nodes())
        {
            switch (node)
            {
                case XElement { Name.LocalName: "para" } para:
                    Close();
                    paragraphs.AddRange(Paragraphs(para));
                    break;
                case XElement { Name.LocalName: "list" } list:
                    Close();
                    paragraphs.AddRange(list.Elements("item")
                        .Select(i =>
                            "- "
                            + string.Join(": ", i.HasElements ? i.Elements().SelectMany(Paragraphs) : Paragraphs(i))));
                    break;
                case XElement { Name.LocalName: "code" or "example" }:
                    break;
                default:
                    open.Append(Inline(node));
                    break;
            }
        }

        Close();
        return paragraphs;
    }

    /// <summary>Code with the comment's own indentation taken off.</summary>
    public static string Code(XElement? code)
    {
        if (code is null)
            return "";
        var lines = code.Value.Replace("\r", "", StringComparison.Ordinal).Split('\n');
        var body = lines.Skip(1).Where(l => l.Trim().Length > 0).ToList();
        var indent = body.Count == 0 ? 0 : body.Min(l => l.Length - l.TrimStart().Length);
        return string.Join('\n',
            lines.Select((l, i) => i == 0 || l.Length < indent ? l.TrimEnd() : l[indent..].TrimEnd()))
            .Trim('\n');
    }

    private string Inline(XNode node) => node switch
    {
        XText text => text.Value,
        XElement { Name.LocalName: "see" or "seealso" } see => Reference(see),
        XElement { Name.LocalName: "paramref" or "typeparamref" } parameter => parameter.Attribute("name")?.Value ?? "",
        XElement other => string.Concat(other.Nodes().Select(Inline)),
        _ => "",
    };

    private string Reference(XElement see)
    {
        if (see.Attribute("langword")?.Value is { } word)
            return word is "null" or "true" or "false" ? "$" + word : word;
        if (see.Value.Length > 0)
            return see.Value;
        if (see.Attribute("href")?.Value is { } link)
            return link;
        var target = see.Attribute("cref")?.Value ?? "";
        var name = target[(target.IndexOf(':', StringComparison.Ordinal) + 1)..];
        return target.StartsWith("T:", StringComparison.Ordinal) && _cmdletName(name) is { } cmdlet
            ? cmdlet
            : (target.StartsWith("P:", StringComparison.Ordinal) ? "-" : "") + name.Split('(')[0].Split('.')[^1];
    }

    private static string Name(Type type) =>
        (type.IsGenericType ? type.GetGenericTypeDefinition() : type).FullName!.Replace('+', '.');

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
