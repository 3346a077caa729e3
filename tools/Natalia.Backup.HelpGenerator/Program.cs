using Natalia.Backup.HelpGenerator;

var output = args.Length > 0 ? args[0] : BuildPaths.Help;
var text = HelpDocument.Generate(BuildPaths.Manifest, BuildPaths.Comments, out IReadOnlyList<string>? gaps);
File.WriteAllText(output, text);
Console.Out.WriteLine(output);
foreach (var gap in gaps)
    Console.Error.WriteLine("missing: " + gap);
return gaps.Count == 0 ? 0 : 1;
